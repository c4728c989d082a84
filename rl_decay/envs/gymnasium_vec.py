"""Gymnasium's own vector environments, sync or async, behind the contract."""

from __future__ import annotations

import multiprocessing
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, VectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from rl_decay.config.schema import Env
from rl_decay.descriptors import require
from rl_decay.envs.codec import Codec
from rl_decay.envs.contract import Step
from rl_decay.envs.quiet_worker import end_processes, new_children, quiet_worker
from rl_decay.errors import UserError
from rl_decay.interrupt import ignored

FILES_PER_PROCESS = 3  # of vec=async, measured: its pipe, its end, its memory


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset, with flat observations and actions."""

    def __init__(self, env: Env, slots: int, vec: str = "sync"):
        self._timeout, self._id = env.timeout, env.id
        self._env = _make_vec(env, slots, vec)
        try:
            self.codec = Codec(
                env.id, self._env.single_observation_space, self._env.single_action_space, env.rescale_actions
            )
        except UserError:
            self._env.close()
            raise
        self.spaces = self.codec.spaces
        spec_limit = self._env.spec.max_episode_steps if self._env.spec else None
        self.time_limit: int | None = env.kwargs.get("max_episode_steps", spec_limit)  # the vector's spec ignores it
        self._after_done = np.zeros(slots, bool)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D]."""
        obs, _ = self._call("reset", seed=list(seeds))
        self._after_done[:] = False
        return self.codec.encode(obs)

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; see `contract.VecEnv`."""
        valid = ~self._after_done
        obs, rewards, terminated, truncated, _ = self._call("step", actions=self.codec.decode(actions))
        self._after_done = terminated | truncated
        return Step(self.codec.encode(obs), np.asarray(rewards, np.float64), terminated, truncated, valid)

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
            raise UserError(
                f"env.timeout={self._timeout}: a {name} of {self._id} took longer than that many seconds; raise it, or "
                "set it to null to wait for ever"
            ) from None
        except (EOFError, ConnectionError) as error:
            raise UserError(f"env.id={self._id}: a process of it died during a {name}") from error
        except (Exception, SystemExit) as error:  # a task's own code
            raise UserError(f"env.id={self._id}: its {name} failed with {type(error).__name__}: {error}") from error


class _Shaped(gym.Wrapper):
    """Refuse what shared memory would take: observations of another shape, rewards that are not one number."""

    def reset(self, **arguments: Any) -> Any:
        obs, info = self.env.reset(**arguments)
        return self._checked(obs), info

    def step(self, action: Any) -> Any:
        obs, reward, terminated, truncated, info = self.env.step(action)
        number: Any = reward
        if number is None or np.ndim(number):
            raise ValueError(f"a reward that is not one number: {number!r}")
        return self._checked(obs), reward, terminated, truncated, info

    def _checked(self, obs: Any) -> Any:
        if np.shape(obs) != self.observation_space.shape:
            raise ValueError(f"an observation of shape {np.shape(obs)}, not {self.observation_space.shape}")
        return obs


def single(env: Env, **options: Any) -> gym.Env:
    """One copy of the task; UserError if there is no such task."""
    with _explained(env):
        return gym.make(env.id, **options, **env.kwargs)


def _make_vec(env: Env, slots: int, vec: str) -> VectorEnv:
    # the mode is always named: with None Gymnasium may swap in an environment whose slots share one generator
    options: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    wrappers = None  # sync copies fail by themselves
    if vec == "async":
        options["worker"], wrappers = quiet_worker, [_Shaped]
        what = f"vec=async with {slots:,} environments in one process"
        require(FILES_PER_PROCESS * slots, what, "raise that limit, choose vec=sync, or train fewer members together")
    before = multiprocessing.active_children()
    with _explained(env), ignored(signal.SIGINT, signal.SIGHUP), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*ERROR: ")  # Gymnasium tells of a worker's error that way, then raises it
        try:
            return gym.make_vec(
                env.id, num_envs=slots, vectorization_mode=vec, vector_kwargs=options, wrappers=wrappers, **env.kwargs
            )
        except BaseException:
            end_processes(new_children(before))  # nobody else knows of them
            raise


@contextmanager
def _explained(env: Env) -> Iterator[None]:
    """Turn whatever keeps a task from being made, unknown ids and unfit arguments, into a UserError."""
    try:
        yield
    except (Exception, SystemExit) as error:  # a task's constructor may raise anything
        kwargs = f" with env.kwargs={env.kwargs}" if env.kwargs else ""
        kind = "" if isinstance(error, gym.error.Error) else f"{type(error).__name__}: "
        raise UserError(f"env.id={env.id}{kwargs}: {kind}{error}") from error
