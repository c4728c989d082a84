"""The keys that name code: how `env.entry_point` and `env.wrappers` are written, and which modules all of them name.

Imports none of that code. `code_modules` and `envs` cut module and name apart by the same functions: if the two
differed, a module could be imported that nobody has vouched for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rl_decay.config.schema import Config, Env, walk
from rl_decay.errors import UserError, one_line, shown

WRAPPER = "wrapper"  # the name of the import path in an item that is a mapping
EXAMPLE = "gymnasium.wrappers.TimeAwareObservation"
DEFAULT_ID = Config().env.id
CODE_KEYS = tuple(key for key, _, about in walk(Config()) if about["code"])
ENTRY_POINT = "env.entry_point"
WRAPPERS = "env.wrappers"


class WrapperItem(NamedTuple):
    """An item of env.wrappers: class `name` of `module`, and keyword arguments; `place` names the item in messages."""

    place: str  # env.wrappers[1]=gymnasium.wrappers.FrameStackObservation
    module: str
    name: str
    arguments: dict[str, Any]


def wrapper_items(wrappers: Sequence[Any]) -> list[WrapperItem]:
    """The items of env.wrappers in their order; UserError names an item that is not written as one."""
    items = []
    for number, (item, path) in enumerate(zip(wrappers, wrapper_paths(wrappers))):
        place = f"env.wrappers[{number}]={shown(path or item)}"
        if not path:
            raise UserError(f"{place}: must be an import path, or a mapping with `{WRAPPER}`, its path, and arguments")
        module, name = split_wrapper(path)
        if not (_is_dotted(module) and name.isidentifier()):
            raise UserError(f"{place}: must be an import path such as {EXAMPLE}")
        arguments = {key: value for key, value in item.items() if key != WRAPPER} if isinstance(item, Mapping) else {}
        _check_arguments(place, arguments)
        items.append(WrapperItem(place, module, name, arguments))
    return items


def wrapper_paths(wrappers: Sequence[Any]) -> list[str]:
    """The import path of each item, "" for an item without one. Takes items of any kind: a file may hold them."""
    paths = []
    for item in wrappers:
        path = item.get(WRAPPER) if isinstance(item, Mapping) else item
        paths.append(path if isinstance(path, str) else "")
    return paths


def split_wrapper(path: str) -> tuple[str, str]:
    """Module and class name of a wrapper's import path: `a.b.C` -> `a.b`, `C`."""
    module, _, name = path.rpartition(".")
    return module, name


def split_entry_point(entry_point: str) -> tuple[str, str]:
    """Module and name of env.entry_point: `a.b:MyEnv` -> `a.b`, `MyEnv`."""
    module, _, name = entry_point.rpartition(":")
    return module, name


def task_id(env: Env) -> str:
    """The id of the task: env.id, or the text of env.entry_point where that makes the task.

    UserError if both are given, and for an entry point that is not written as module:Name. CartPole-v1 counts as not
    given: it is the default of env.id.
    """
    if env.entry_point is None:
        return env.id
    module, name = split_entry_point(env.entry_point)
    if not (_is_dotted(module) and name.isidentifier()):
        raise UserError(f"env.entry_point={shown(env.entry_point)}: must be module:Name, such as my_module:MyEnv")
    if env.id not in (DEFAULT_ID, env.entry_point):
        raise two_tasks(env)
    return env.entry_point


def two_tasks(env: Env) -> UserError:
    """The error for a task that is named twice."""
    return UserError(
        f"env.id={env.id}: env.entry_point={env.entry_point} makes the task and names it; give one of the two, "
        f"as in env=generic env.entry_point={env.entry_point}"
    )


def code_modules(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(key, value, module) of every module that a key names: `a.b` of env.id=a.b:Reach-v0.

    An item of env.wrappers has a key of its own, such as env.wrappers[1].
    """
    for key in CODE_KEYS:
        value = values.get(key)
        if key == WRAPPERS:
            for number, path in enumerate(wrapper_paths(value if isinstance(value, list) else ())):
                module, _ = split_wrapper(path)
                if module:
                    yield f"{key}[{number}]", path, module
            continue
        # Cut as envs/task_ids.py does before it imports the module: any difference would be a way around this check.
        module, colon, _ = str(value).rpartition(":")
        if colon:
            yield key, str(value), module


def _check_arguments(place: str, arguments: Mapping[str, Any]) -> None:
    if "env" in arguments:
        raise UserError(f"{place}: its argument env is the task that it is put around; remove it")
    try:
        json.dumps(arguments, allow_nan=False)  # summary.json and the fingerprint hold them as JSON
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{place}: its arguments must be plain, finite values ({one_line(error)})") from None


def _is_dotted(module: str) -> bool:
    """Whether a text is the name of a module: identifiers with dots between them."""
    return all(part.isidentifier() for part in module.split("."))
