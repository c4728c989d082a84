"""Which tasks can be simulated over all slots at once (`vec=batched`), and why another one cannot."""

from __future__ import annotations

from functools import cache
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from rl_decay.config.checks import TIME_LIMIT
from rl_decay.config.schema import Env
from rl_decay.envs.acrobot import Acrobot
from rl_decay.envs.classic_control import CartPole, ContinuousMountainCar, MountainCar, Pendulum
from rl_decay.envs.dynamics import Dynamics
from rl_decay.envs.task_ids import require_registered, split_id, with_version
from rl_decay.errors import UserError, shown

# Gymnasium's releases against which the bits were tested (tests/envs/test_classic_control.py, with the marker slow).
TESTED_GYMNASIUM = ("1.4.0",)
TASKS: tuple[type[Dynamics], ...] = (CartPole, Acrobot, MountainCar, ContinuousMountainCar, Pendulum)
PACKAGE = "gymnasium.envs.classic_control"  # exports the classes of its modules


def _entry_points() -> dict[Any, type[Dynamics]]:
    """Everything by which a registration may name one of the originals: the class, or text with either module."""
    entry_points: dict[Any, type[Dynamics]] = {}
    for task in TASKS:
        name = task.original.__name__
        for entry_point in (task.original, f"{task.original.__module__}:{name}", f"{PACKAGE}:{name}"):
            entry_points[entry_point] = task
    return entry_points


ENTRY_POINTS = _entry_points()  # compared as text, so that no other module is imported to answer a question


def require_batchable(env: Env) -> None:
    """UserError, with the way out, for a task that cannot be batched."""
    if problem := refusal(env):
        raise UserError(f"vec=batched: {problem}; set vec=sync")


def dynamics_of(env: Env) -> tuple[Dynamics, EnvSpec]:
    """The arithmetic of a task and its entry in Gymnasium's registry; UserError as `require_batchable`."""
    require_batchable(env)
    task, spec = batched_task(env), registered(env)
    assert task is not None and spec is not None
    return task(**_arguments(env, spec)), spec


def batched_task(env: Env) -> type[Dynamics] | None:
    """The arithmetic whose original is the class that a task's entry in the registry names; None = there is none."""
    spec = registered(env)
    entry_point = spec.entry_point if spec else None
    # Asked first: a person may register any object that can be called, which need not be hashable.
    return ENTRY_POINTS.get(entry_point) if isinstance(entry_point, (str, type)) else None


def refusal(env: Env) -> str | None:
    """Why the slots of a task cannot be batched, in words; None if they can."""
    task, spec = batched_task(env), registered(env)
    if task is None or spec is None:
        named = f"env.id={env.id}" if env.entry_point is None else f"env.entry_point={env.entry_point}"
        return f"{named} is no task of Gymnasium's classic control, and only those are simulated together"
    if env.wrappers or spec.additional_wrappers:
        key = "env.wrappers" if env.wrappers else f"the registration of {env.id}"
        return f"{key} puts wrappers around each copy, and slots that are simulated together have no copies"
    if gym.__version__ not in TESTED_GYMNASIUM:
        tested = ", ".join(TESTED_GYMNASIUM)
        return f"the same bits were tested for Gymnasium {tested}, and {gym.__version__} is installed"
    for name, value in _arguments(env, spec).items():
        if name not in task.arguments or not task.arguments[name](value):
            return f"env.kwargs.{name}={shown(value)} is no argument that the simulation of {env.id} knows"
    if not _has_same_bits(task):
        return f"on this processor NumPy rounds arrays otherwise than the single numbers of {env.id}"
    return None


def registered(env: Env) -> EnvSpec | None:
    """The task's entry in Gymnasium's registry; None for an entry point, and for an id that nobody has registered."""
    if env.entry_point is not None:
        return None
    require_registered(env.id)
    return gym.registry.get(split_id(with_version(env.id))[1])


def _arguments(env: Env, spec: EnvSpec) -> dict[str, Any]:
    """The arguments of the task's constructor."""
    arguments = {**spec.kwargs, **env.kwargs}
    arguments.pop(TIME_LIMIT, None)  # Gymnasium's own
    return arguments


@cache
def _has_same_bits(task: type[Dynamics]) -> bool:
    return task.has_same_bits()
