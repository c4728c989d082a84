"""What Gymnasium makes a task from: a registered id, or the class or function that `env.entry_point` names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from rl_decay.config.code_keys import split_entry_point
from rl_decay.config.schema import Env
from rl_decay.envs.imports import imported
from rl_decay.envs.task_ids import require_registered
from rl_decay.errors import UserError


def named(env: Env) -> str:
    """The key that names the task and its value, for messages."""
    return f"env.id={env.id}" if env.entry_point is None else f"env.entry_point={env.entry_point}"


def specification(env: Env) -> str | EnvSpec:
    """The argument `id` of gymnasium.make and make_vec; UserError if there is no such task.

    An entry point gets a specification of its own instead of an entry in Gymnasium's registry, which all tasks of this
    process share. It has the settings of a task that was registered without any, so no time limit either.
    """
    if env.entry_point is None:
        require_registered(env.id)
        return env.id
    return EnvSpec(id=env.id, entry_point=_creator(env.entry_point))


def _creator(entry_point: str) -> Callable[..., Any]:
    """The class or function; UserError if the module has none of that name, and for a class that is no environment."""
    place = f"env.entry_point={entry_point}"
    module, name = split_entry_point(entry_point)
    creator = getattr(imported(module, place), name, None)
    if creator is None:
        raise UserError(f"{place}: the module {module} has no {name}")
    if inspect.isclass(creator) and not issubclass(creator, gym.Env):
        raise UserError(f"{place}: {name} is no environment, for it is no subclass of gymnasium.Env")
    if not callable(creator):
        raise UserError(f"{place}: {name} is neither a class nor a function, so it makes no environment")
    return creator
