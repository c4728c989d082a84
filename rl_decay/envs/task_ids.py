"""Which task an id means: its version, its module, and who registered it. Makes no copy of the task."""

from __future__ import annotations

import importlib
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id

from rl_decay.envs.extras import require_extra
from rl_decay.envs.imports import imported
from rl_decay.envs.modules import VERSIONED
from rl_decay.errors import UserError, one_line

# Namespace of tasks -> module that registers them. Gymnasium does not know the tasks until that module is imported.
MODULES = {"ALE": "ale_py", "PyFlyt": "PyFlyt.gym_envs", "dm_control": "shimmy", "Meta-World": "metaworld"}


def _gymnasium_tasks() -> dict[str, Any]:
    """The tasks that Gymnasium itself registers: implemented in its modules, and without a namespace.

    Not simply all tasks of the registry: the caller's program may have registered some before it imports this module.
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

    An id with a version, or registered without a version, stays as it is. So does an id that names no task: making the
    task will refuse it.
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
    """Import the module that an id names; UserError unless the task is registered, and by that module.

    UserError as well if a package is missing that an extra of this one brings.
    """
    module, name = split_id(env_id)
    require_extra(env_id, module, name)
    if module:
        imported(module, f"env.id={env_id}")
        registered: Any = gym.registry.get(name)
        if registered is None and with_version(env_id) == env_id:
            raise UserError(f"env.id={env_id}: the module {module} registers no task {name}")
        # `my_tasks:CartPole-v1`: gym.make would import my_tasks, then silently make Gymnasium's own CartPole-v1.
        if registered is not None and registered is GYMNASIUM_TASKS.get(name) and module.split(".")[0] != "gymnasium":
            raise UserError(
                f"env.id={env_id}: the module {module} registers no task {name}, which is a task of Gymnasium "
                f"({one_line(registered.entry_point)}); if you mean that one, write env.id={name}"
            )


def module_hint(env_id: str, error: Exception) -> str:
    """A hint how to name the module that registers an unknown namespace's tasks; "" for other errors."""
    if not isinstance(error, gym.error.NamespaceNotFound):
        return ""
    namespace = split_id(env_id)[1].partition("/")[0]
    module = MODULES.get(namespace, "<module>")
    return f" Tasks of other packages need the module that registers them in front: env.id={module}:{env_id}"


def split_id(env_id: str) -> tuple[str, str]:
    """Module and name of an id `module:name`; the module is "" if the id names no module."""
    module, _, name = env_id.rpartition(":")
    return module, name
