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
from rl_decay.envs.registry import require_registered, way_out
from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError, one_line
from rl_decay.system.descriptors import require_descriptors

FILES_PER_PROCESS = 3  # of vec=async, measured: its pipe, its end, its memory
Wrapping = Callable[[gym.Env], gym.Wrapper]


class TookTooLongError(UserError):
    """A reset or step took longer than `env.timeout`."""


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset, with flat observations and actions.

    `wrappers` go around each copy, the last one outermost: those that `examine` found the task to need.
    """

    def __init__(self, env: Env, slots: int, vec: str = "sync", wrappers: Sequence[Wrapping] = ()):
        self._timeout, self._id = env.timeout, env.id
        self._env = _make_vec(env, slots, vec, wrappers)
        try:
            self.codec = Codec(
                env.id, self._env.single_observation_space, self._env.single_action_space, env.rescale_actions
            )
        except UserError:
            self._env.close()
            raise
        self.spaces = self.codec.spaces
        self.time_limit = time_limit(env, self._env)
        self._after_done = np.zeros(slots, bool)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D]."""
        return self.codec.encode(self.raw_reset(seeds))

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; see `contract.VecEnv`."""
        valid = ~self._after_done
        obs, rewards, terminated, truncated = self.raw_step(actions)
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
        copies: Any = self._env  # sync and async ones have get_attr, their base class does not
        return copies.get_attr(name)

    def close(self) -> None:
        """Close every copy; workers that no longer answer are ended."""
        if isinstance(self._env, AsyncVectorEnv):
            end_processes(self._env.processes)  # Gymnasium would wait for ever for one that ignores SIGTERM
            self._env._state = AsyncState.DEFAULT  # or it would wait for the answer of a worker that is gone
            self._env.close(terminate=True)
        else:
            self._env.close()

    def _call(self, name: str, **arguments: Any) -> Any:
        """`reset` or `step` of every copy; UserError if a copy raises, dies, or takes longer than the timeout."""
        try:
            if not isinstance(self._env, AsyncVectorEnv):
                return getattr(self._env, name)(**arguments)
            getattr(self._env, f"{name}_async")(**arguments)
            with warnings.catch_warnings():  # Gymnasium tells of a worker's error that way, then raises it
                warnings.simplefilter("ignore")
                return getattr(self._env, f"{name}_wait")(timeout=self._timeout)
        except multiprocessing.TimeoutError:
            raise TookTooLongError(
                f"env.timeout={self._timeout}: a {name} of {self._id} took longer than that many seconds; raise it, or "
                "set it to null to wait for ever"
            ) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a task's own code
            if isinstance(self._env, AsyncVectorEnv) and isinstance(error, (EOFError, ConnectionError)):
                raise UserError(f"env.id={self._id}: a process of it died during a {name}") from error
            raise task_error(f"env.id={self._id}: its {name} failed with", error) from error


class Shaped(gym.Wrapper):
    """Refuse what shared memory would take: observations of another shape, rewards that are not one number."""

    def reset(self, **arguments: Any) -> Any:
        """Reset the task; ValueError for an observation of another shape."""
        obs, info = self.env.reset(**arguments)
        return self._checked(obs), info

    def step(self, action: Any) -> Any:
        """Step the task; ValueError for a reward that is not one number too."""
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
    """Steps after which Gymnasium truncates an episode of this task, None = never: env.kwargs.max_episode_steps if it
    is given and not null, -1 meaning none, else the limit that was registered.
    """
    own = env.kwargs.get(TIME_LIMIT)
    if own is None:
        return made.spec.max_episode_steps if made.spec else None
    return None if own == NO_LIMIT else own


def single(env: Env, **options: Any) -> gym.Env:
    """One copy of the task; UserError if there is no such task."""
    with _explained(env):
        return gym.make(env.id, **{**env.kwargs, **options})  # runs recorded before may have a render_mode of their own


def _make_vec(env: Env, slots: int, vec: str, wrappers: Sequence[Wrapping]) -> VectorEnv:
    # the mode is always named: with None Gymnasium may swap in an environment whose slots share one generator
    options: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    checks: list[Wrapping] = []  # sync copies fail by themselves
    if vec == "async":
        options["worker"], checks = quiet_worker, [Shaped, FaultReported]
        what = f"vec=async with {slots:,} environments in one process"
        require_descriptors(
            FILES_PER_PROCESS * slots, what, "raise that limit, choose vec=sync, or train fewer members together"
        )
    before = multiprocessing.active_children()
    quiet = held_back() if vec == "async" else nullcontext()
    try:
        with _explained(env), quiet, warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*ERROR: ")  # Gymnasium tells of a worker's error so, then raises it
            return gym.make_vec(
                env.id,
                num_envs=slots,
                vectorization_mode=vec,
                vector_kwargs=options,
                wrappers=[*wrappers, *checks],
                **env.kwargs,
            )
    except BaseException:
        end_processes(new_children(before))  # nobody else knows of them
        raise


@contextmanager
def _explained(env: Env) -> Iterator[None]:
    """Turn whatever keeps a task from being made, unknown ids and unfit arguments, into a UserError."""
    require_registered(env.id)
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a task's constructor may raise anything
        kwargs = f" with env.kwargs={env.kwargs}" if env.kwargs else ""
        if isinstance(error, gym.error.Error):  # Gymnasium's own words
            raise UserError(f"env.id={env.id}{kwargs}: {one_line(error)}{way_out(env.id, error)}") from error
        raise task_error(f"env.id={env.id}{kwargs}:", error) from error
