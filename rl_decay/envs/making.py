"""Make copies of a Gymnasium task, one alone or several side by side; every error becomes a UserError."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Dict, Tuple
from gymnasium.vector import AutoresetMode, VectorEnv

from rl_decay.config.checks import NO_LIMIT, TIME_LIMIT
from rl_decay.config.schema import Env
from rl_decay.envs.drawing import advised
from rl_decay.envs.entry_points import named, specification
from rl_decay.envs.faults import FaultReported, task_error
from rl_decay.envs.parts import misshapen
from rl_decay.envs.quiet_worker import end_processes, held_back, new_children, quiet_worker
from rl_decay.envs.task_ids import module_hint
from rl_decay.envs.wrapping import Rebuilt, configured
from rl_decay.errors import UserError, one_line
from rl_decay.system.descriptors import require_descriptors

FILES_PER_PROCESS = 3  # open files for each worker of vec=async, measured: its pipe, its sentinel, its shared memory
Wrapping = Callable[[gym.Env], gym.Wrapper]  # puts a wrapper around a copy


class ShapeChecked(gym.Wrapper):
    """Refuse observations of another shape, and rewards that are not one number.

    Shared memory (vec=async) would take both without an error.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._plain = not isinstance(env.observation_space, (Dict, Tuple))

    def reset(self, **arguments: Any) -> Any:
        """Reset the task; ValueError for an observation of another shape."""
        obs, info = self.env.reset(**arguments)
        return self._checked(obs), info

    def step(self, action: Any) -> Any:
        """Step the task; ValueError for an observation of another shape, or a reward that is not one number."""
        obs, reward, terminated, truncated, info = self.env.step(action)
        number: Any = reward
        if number is None or np.ndim(number):
            raise ValueError(f"a reward that is not one number: {number!r}")
        return self._checked(obs), reward, terminated, truncated, info

    def _checked(self, obs: Any) -> Any:
        if self._plain:
            if np.shape(obs) != self.observation_space.shape:
                raise ValueError(f"an observation of shape {np.shape(obs)}, not {self.observation_space.shape}")
        elif problem := misshapen(self.observation_space, obs, "an observation"):
            raise ValueError(problem)
        return obs


def time_limit(env: Env, spec: EnvSpec | None) -> int | None:
    """Steps after which Gymnasium truncates an episode of a task with this specification; None = never.

    env.kwargs.max_episode_steps if it is given and not null, where -1 means never; else the registered limit.
    """
    configured = env.kwargs.get(TIME_LIMIT)
    if configured is None:
        return spec.max_episode_steps if spec else None
    return None if configured == NO_LIMIT else configured


def make_env(env: Env, **options: Any) -> gym.Env:
    """One copy of the task in its configured wrappers; UserError if there is no such task, or no such wrapper."""
    task = specification(env)
    wrappers = configured(env.wrappers)
    with _errors_explained(env):
        # options last: the kwargs of an older run may hold a render_mode, which a configuration no longer may
        copy = gym.make(task, **{**env.kwargs, **options})
    for wrapper in wrappers:
        copy = wrapper(copy)
    return copy


def make_copies(env: Env, slots: int, vec: str, wrappers: Sequence[Wrapping]) -> VectorEnv:
    """Gymnasium's vector environment; leaves no worker process behind if it fails."""
    # The vectorization mode is always given: with None Gymnasium may choose a batched environment of its own, whose
    # slots share one random generator.
    options: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    checks: list[Wrapping] = []  # without shared memory and pipes, a sync copy's fault is an ordinary error
    if vec == "async":
        options["worker"] = quiet_worker
        checks = [ShapeChecked, FaultReported]
        what = f"vec=async with {slots:,} environments in one process"
        require_descriptors(
            FILES_PER_PROCESS * slots, what, "raise that limit, choose vec=sync, or train fewer members together"
        )
    task = specification(env)
    own: list[Wrapping] = [*configured(env.wrappers)]
    if own:  # without wrappers a copy is not made anew: its seeded reset is enough, and its constructor may be slow
        own.append(partial(Rebuilt, make=partial(make_env, env)))
    before = multiprocessing.active_children()
    quiet = held_back() if vec == "async" else nullcontext()
    try:
        with _errors_explained(env), quiet, warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ERROR: ")  # Gymnasium warns of a worker's error before it raises it
            return gym.make_vec(
                task,
                num_envs=slots,
                vectorization_mode=vec,
                vector_kwargs=options,
                wrappers=[*own, *wrappers, *checks],
                **env.kwargs,
            )
    except BaseException:
        end_processes(new_children(before))  # there is no object yet that could close these workers
        raise


@contextmanager
def _errors_explained(env: Env) -> Iterator[None]:
    """Turn every error of making a task into a UserError: unknown ids, unfit arguments, faults of its constructor."""
    try:
        yield
    except (KeyboardInterrupt, UserError):  # UserError: a configured wrapper has named itself
        raise
    except BaseException as error:  # a task's constructor may raise anything
        kwargs = f" with env.kwargs={env.kwargs}" if env.kwargs else ""
        if isinstance(error, gym.error.Error):  # Gymnasium's own words
            raise UserError(f"{named(env)}{kwargs}: {one_line(error)}{module_hint(env.id, error)}") from error
        # advised: MuJoCo fails as soon as it is imported if MUJOCO_GL names a library that is not there
        raise advised(task_error(f"{named(env)}{kwargs}:", error), error) from error
