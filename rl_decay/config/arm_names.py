"""Names of a comparison's arms, in the words of the command line: `schedule=linear actor.lr=0.001`.

The functions take what `arm_values` returns for each flat configuration. A key that only some arms have does not
separate them: a curve without a knob has another name than a curve with it, and the name is enough.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rl_decay.config.identity import arm_values
from rl_decay.errors import escaped
from rl_decay.types import GROUPS

ALL_DIGITS = 17  # of a float: enough to tell any two apart


def differing(values: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys with more than one value among the mappings that have them, in the order of their first appearance."""
    distinct: dict[str, set[str]] = {}
    for mapping in values:
        for key, value in mapping.items():
            distinct.setdefault(key, set()).add(text(value))  # as text, because a list cannot be in a set
    return tuple(key for key, texts in distinct.items() if len(texts) > 1)


def differing_within(groups: Sequence[Any], values: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys that differ within at least one group; groups[i] is the group of values[i].

    With tasks as groups, keys that differ only between tasks, such as budgets, are left out: they are part of the task.
    """
    by_group: dict[Any, list[Mapping[str, Any]]] = {}
    for group, mapping in zip(groups, values, strict=True):
        by_group.setdefault(group, []).append(mapping)
    keys: dict[str, None] = {}  # a dict, because a set would lose the order
    for mappings in by_group.values():
        keys |= dict.fromkeys(differing(mappings))
    return tuple(keys)


def arm_names(flat_configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The name of each configuration's arm: the keys that differ without the seed, after the task if tasks differ."""
    values = [arm_values(config) for config in flat_configs]
    tasks = [config["env.id"] for config in flat_configs]
    arms = names(values, differing_within(tasks, values))
    if len(set(tasks)) == 1:
        return arms
    return [f"{task} {arm}" for task, arm in zip(tasks, arms, strict=True)]


def names(values: Sequence[Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    """The command-line words of each arm for the given keys; its schedule if no key is given, `all` if it has none.

    Numbers have three digits, or all digits if two different arms would have one name otherwise.
    """
    keys = tuple(keys) or tuple(f"schedule.{group}.curve" for group in GROUPS)
    short = [_name(mapping, keys, digits=3) for mapping in values]
    exact = [_name(mapping, keys, digits=ALL_DIGITS) for mapping in values]
    unambiguous = short if len(set(short)) == len(set(exact)) else exact
    return [name or "all" for name in unambiguous]


def text(value: Any, digits: int = ALL_DIGITS) -> str:
    """A value as a person types it: 0.001, true, null, [64,64]."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, float) and digits < ALL_DIGITS:
        return f"{value:.{digits}g}"
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)


def _name(mapping: Mapping[str, Any], keys: Sequence[str], digits: int) -> str:
    curves_first = sorted(keys, key=lambda key: not key.endswith(".curve"))
    texts = {key: text(mapping[key], digits) for key in curves_first if key in mapping}
    words: dict[str, str] = {}
    for key, value in texts.items():
        words[_word(key, texts)] = value  # actor and critic may share a word, and then they share the value
    return " ".join(f"{word}={value}" for word, value in words.items())


def _word(key: str, texts: Mapping[str, str]) -> str:
    """The word that a person types for a key: an option of a group for a curve (`schedule/actor`), else the key.

    Where actor and critic agree, both keys get the shared word: `schedule`, `schedule.final`.
    """
    section, _, rest = key.partition(".")
    role, _, knob = rest.partition(".")
    if section != "schedule" or not knob:
        return key
    actor, critic = (texts.get(f"schedule.{group}.{knob}") for group in GROUPS)  # the roles that share knobs
    is_shared = role in GROUPS and actor == critic
    if knob == "curve":
        return "schedule" if is_shared else f"schedule/{role}"
    return f"schedule.{knob}" if is_shared else key
