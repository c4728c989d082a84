"""Gymnasium's own vector environments, sync or async, behind the contract."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from rl_decay.config.checks import NO_LIMIT, TIME_LIMIT
from rl_decay.config.schema import Env
from rl_decay.envs.contract import Step
from rl_decay.envs.faults import FaultReported, task_error
from rl_decay.envs.quiet_worker import end_processes, held_back, new_children, quiet_worker
from rl_decay.envs.spaces import Codec
from rl_decay.envs.task_ids import module_hint, require_registered
from rl_decay.errors import UserError, one_line
from rl_decay.system.descriptors import require

FILES_PER_PROCESS = 3  # open files for each worker of vec=async, measured: its pipe, its sentinel, its shared memory
Wrapping = Callable[[gym.Env], gym.Wrapper]  # puts a wrapper around a copy


class TookTooLongError(UserError):
    """A reset or step took longer than `env.timeout`."""


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset, with flat observations and actions.

    `wrappers` go around each copy, the last one outermost: those that `examine` found the task to need.
    """

    def __init__(self, env: Env, slots: int, vec: str = "sync", wrappers: Sequence[Wrapping] = ()):
        self._timeout = env.timeout
        self._id = env.id
        self._env = _make_vec(env, slots, vec, wrappers)
        try:
            self.codec = Codec(
                env.id, self._env.single_observation_space, self._env.single_action_space, env.rescale_actions
            )
        except UserError:
            self._env.close()  # nobody else could: there is no object yet
            raise
        self.spaces = self.codec.spaces
        self.time_limit = time_limit(env, self._env)
        self._after_done = np.zeros(slots, bool)  # slots whose next step is the reset, a filler row

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D]."""
        return self.codec.encode(self.raw_reset(seeds))

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; see `contract.VecEnv`."""
        valid = ~self._after_done
        obs, rewards, terminated, truncated = self.raw_step(actions)  # changes _after_done
        return Step(self.codec.encode(obs), np.asarray(rewards, np.float64), terminated, truncated, valid)

    def raw_reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every slot, unseeded where the seed is None; the task's own observations [S, ...]."""
        obs, _ = self._call("reset", seed=list(seeds))
        self._after_done[:] = False
        return obs

    def raw_step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Step every slot by flat actions; the task's own observations [S, ...], rewards, terminated, truncated [S]."""
        obs, rewards, terminated, truncated, _ = self._call("step", actions=self.codec.decode(actions))
        self._after_done = terminated | truncated
        return obs, rewards, terminated, truncated

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it, in the order of the slots."""
        copies: Any = self._env  # sync and async vector environments have get_attr, their base class does not
        return copies.get_attr(name)

    def close(self) -> None:
        """Close every copy; workers that no longer answer are ended."""
        if isinstance(self._env, AsyncVectorEnv):
            end_processes(self._env.processes)  # Gymnasium would wait for ever for a worker that ignores SIGTERM
            self._env._state = AsyncState.DEFAULT  # else it would wait for the answer of a worker that is gone
            self._env.close(terminate=True)
        else:
            self._env.close()

    def _call(self, name: str, **arguments: Any) -> Any:
        """`reset` or `step` of every copy; UserError if a copy raises, dies, or takes longer than the timeout."""
        try:
            if not isinstance(self._env, AsyncVectorEnv):
                return getattr(self._env, name)(**arguments)
            getattr(self._env, f"{name}_async")(**arguments)
            with warnings.catch_warnings():  # Gymnasium warns of a worker's error before it raises it
                warnings.simplefilter("ignore")
                return getattr(self._env, f"{name}_wait")(timeout=self._timeout)
        except multiprocessing.TimeoutError:
            raise TookTooLongError(
                f"env.timeout={self._timeout}: a {name} of {self._id} took longer than that many seconds; raise it, or "
                "set it to null to wait for ever"
            ) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a task's own code may raise anything, SystemExit too
            if isinstance(self._env, AsyncVectorEnv) and isinstance(error, (EOFError, ConnectionError)):
                raise UserError(f"env.id={self._id}: a process of it died during a {name}") from error
            raise task_error(f"env.id={self._id}: its {name} failed with", error) from error


class ShapeChecked(gym.Wrapper):
    """Refuse observations of another shape, and rewards that are not one number.

    Shared memory (vec=async) would take both without an error.
    """

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
        if np.shape(obs) != self.observation_space.shape:
            raise ValueError(f"an observation of shape {np.shape(obs)}, not {self.observation_space.shape}")
        return obs


def time_limit(env: Env, made: gym.Env | VectorEnv) -> int | None:
    """Steps after which Gymnasium truncates an episode of this task; None = never.

    env.kwargs.max_episode_steps if it is given and not null, where -1 means never; else the registered limit.
    """
    configured = env.kwargs.get(TIME_LIMIT)
    if configured is None:
        return made.spec.max_episode_steps if made.spec else None
    return None if configured == NO_LIMIT else configured


def make_env(env: Env, **options: Any) -> gym.Env:
    """One copy of the task; UserError if there is no such task."""
    with _errors_explained(env):
        # options last: the kwargs of an older run may hold a render_mode, which a configuration no longer may
        return gym.make(env.id, **{**env.kwargs, **options})


def _make_vec(env: Env, slots: int, vec: str, wrappers: Sequence[Wrapping]) -> VectorEnv:
    """Gymnasium's vector environment; leaves no worker process behind if it fails."""
    # The vectorization mode is always given: with None Gymnasium may choose a batched environment of its own, whose
    # slots share one random generator.
    options: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    checks: list[Wrapping] = []  # without shared memory and pipes, a sync copy's fault is an ordinary error
    if vec == "async":
        options["worker"] = quiet_worker
        checks = [ShapeChecked, FaultReported]
        what = f"vec=async with {slots:,} environments in one process"
        require(FILES_PER_PROCESS * slots, what, "raise that limit, choose vec=sync, or train fewer members together")
    before = multiprocessing.active_children()
    quiet = held_back() if vec == "async" else nullcontext()
    try:
        with _errors_explained(env), quiet, warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ERROR: ")  # Gymnasium warns of a worker's error before it raises it
            return gym.make_vec(
                env.id,
                num_envs=slots,
                vectorization_mode=vec,
                vector_kwargs=options,
                wrappers=[*wrappers, *checks],
                **env.kwargs,
            )
    except BaseException:
        end_processes(new_children(before))  # there is no object yet that could close these workers
        raise


@contextmanager
def _errors_explained(env: Env) -> Iterator[None]:
    """Turn every error of making a task into a UserError: unknown ids, unfit arguments, faults of its constructor."""
    require_registered(env.id)
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a task's constructor may raise anything
        kwargs = f" with env.kwargs={env.kwargs}" if env.kwargs else ""
        if isinstance(error, gym.error.Error):  # Gymnasium's own words
            raise UserError(f"env.id={env.id}{kwargs}: {one_line(error)}{module_hint(env.id, error)}") from error
        raise task_error(f"env.id={env.id}{kwargs}:", error) from error
