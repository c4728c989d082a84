"""Which task an id means: its module, its version, who registered it; before a copy of it is made."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id

from rl_decay.envs.faults import task_error
from rl_decay.envs.modules import VERSIONED
from rl_decay.errors import UserError, one_line

# Namespaces whose tasks are registered by a module of another name. Gymnasium knows none of them until it is imported.
MODULES = {"ALE": "ale_py", "PyFlyt": "PyFlyt.gym_envs", "dm_control": "shimmy", "Meta-World": "metaworld"}


def _gymnasium_tasks() -> dict[str, Any]:
    """The tasks that Gymnasium itself has registered: those of its own modules, which lie in no namespace.

    The caller's program may have registered others before this module is imported.
    """
    own: dict[str, Any] = {}
    for name, task in gym.registry.items():
        entry = task.entry_point
        module = entry if isinstance(entry, str) else getattr(entry, "__module__", "")
        if module.startswith("gymnasium.") and "/" not in name:
            own[name] = task
    return own


GYMNASIUM_TASKS = _gymnasium_tasks()


def with_version(env_id: str) -> str:
    """The full id of a task: `Hopper` -> `Hopper-v5`, its newest version, as Gymnasium would choose it.

    An id that has a version, or is registered without one, stays as it is; so does one that names no task, which is
    refused where the task is made.
    """
    module, name = split_id(env_id)
    if VERSIONED.search(name):
        return env_id
    try:
        if module:
            importlib.import_module(module)
        if name in gym.registry:
            return env_id
        namespace, bare, _ = parse_env_id(name)
        newest = find_highest_version(namespace, bare)
    except (Exception, SystemExit):  # a malformed id, or a module that cannot be imported
        return env_id
    full = name if newest is None else get_env_id(namespace, bare, newest)
    return f"{module}:{full}" if module else full


def require_registered(env_id: str) -> None:
    """Import the module that an id names; UserError unless the task is registered, and by that module."""
    module, name = split_id(env_id)
    if module:
        _import(env_id, module)
        registered: Any = gym.registry.get(name)
        if registered is None and with_version(env_id) == env_id:
            raise UserError(f"env.id={env_id}: the module {module} registers no task {name}")
        # gym.make imports the module, then takes whatever has that name
        if registered is not None and registered is GYMNASIUM_TASKS.get(name) and module.split(".")[0] != "gymnasium":
            raise UserError(
                f"env.id={env_id}: the module {module} registers no task {name}, which is a task of Gymnasium "
                f"({one_line(registered.entry_point)}); if you mean that one, write env.id={name}"
            )


def module_hint(env_id: str, error: Exception) -> str:
    """What to type instead where Gymnasium knows no such namespace; "" for other errors."""
    if not isinstance(error, gym.error.NamespaceNotFound):
        return ""
    namespace = split_id(env_id)[1].partition("/")[0]
    module = MODULES.get(namespace, "<module>")
    return f" Tasks of other packages need the module that registers them in front: env.id={module}:{env_id}"


def split_id(env_id: str) -> tuple[str, str]:
    """Module and name of an id; the module is "" where there is none."""
    module, _, name = env_id.rpartition(":")
    return module, name


def _import(env_id: str, module: str) -> None:
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):  # one that the module itself imports
            raise task_error(f"env.id={env_id}: its module cannot be imported:", error) from error
        raise UserError(
            f"env.id={env_id}: no module {error.name} is installed, nor lies in a folder where Python looks; name its "
            "folder in front of the command: PYTHONPATH=<folder>"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # its own code
        raise task_error(f"env.id={env_id}: its module cannot be imported:", error) from error
