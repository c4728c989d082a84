"""The words by which a person tells the arms of a comparison apart.

`values` are what `arm_keys` makes of a flat configuration. A key that only some of the values have tells nothing apart
by being there: a curve without a knob differs from one with it by its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rl_decay.config.identity import arm_keys
from rl_decay.errors import escaped
from rl_decay.types import GROUPS


def differing(values: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys that have several values among those that have them, in the order of their appearance."""
    found: dict[str, set[str]] = {}
    for value in values:
        for key, v in value.items():
            found.setdefault(key, set()).add(text(v))
    return tuple(key for key, distinct in found.items() if len(distinct) > 1)


def differing_within(groups: Sequence[Any], values: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The keys that differ within a group; groups[i] is that of values[i]. What differs between tasks only, presets and
    budgets, is part of the task.
    """
    members: dict[Any, list[Mapping[str, Any]]] = {}
    for group, value in zip(groups, values, strict=True):
        members.setdefault(group, []).append(value)
    keys: dict[str, None] = {}
    for group in members.values():
        keys |= dict.fromkeys(differing(group))
    return tuple(keys)


def arm_names(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The name of each flat configuration's arm: the seed aside, what tells it apart from the others, after its task
    where there are several.
    """
    values, tasks = [arm_keys(config) for config in configs], [config["env.id"] for config in configs]
    shown = names(values, differing_within(tasks, values))
    if len(set(tasks)) > 1:
        return [f"{task} {name}" for task, name in zip(tasks, shown, strict=True)]
    return shown


def names(values: Sequence[Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    """What to type for each: `schedule=linear actor.lr=0.001`; the schedule alone where no key is given.

    Numbers have three digits, or all of theirs where three would give two different arms one name.
    """
    keys = tuple(keys) or tuple(f"schedule.{group}.curve" for group in GROUPS)
    short = [_name(value, keys, digits=3) for value in values]
    full = [_name(value, keys, digits=17) for value in values]
    shown = short if len(set(short)) == len(set(full)) else full
    return [name or "all" for name in shown]


def text(value: Any, digits: int = 17) -> str:
    """A value as a person types it: 0.001, true, null, [64,64]."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, float) and digits < 17:
        return f"{value:.{digits}g}"
    return json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)


def _name(values: Mapping[str, Any], keys: Sequence[str], digits: int) -> str:
    curves_first = sorted(keys, key=lambda key: not key.endswith(".curve"))
    shown = {key: text(values[key], digits) for key in curves_first if key in values}
    words = {_joined(key, shown): value for key, value in shown.items()}
    return " ".join(f"{word}={value}" for word, value in words.items())


def _joined(key: str, shown: Mapping[str, str]) -> str:
    """The word for a key; one word for both groups where actor and critic agree. Curves are options: schedule/actor."""
    section, _, rest = key.partition(".")
    role, _, knob = rest.partition(".")
    if section != "schedule" or not knob:
        return key
    both = [shown.get(f"schedule.{group}.{knob}") for group in GROUPS]
    shared = role in GROUPS and both[0] == both[1]
    if knob == "curve":
        return "schedule" if shared else f"schedule/{role}"
    return f"schedule.{knob}" if shared else key
