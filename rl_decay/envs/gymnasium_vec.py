"""Gymnasium's own vector environments, sync or async, behind the contract."""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import contextmanager
from typing import Any, Iterator, Sequence

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv

from rl_decay.config.schema import Env
from rl_decay.envs.contract import Step
from rl_decay.errors import UserError
from rl_decay.types import Spaces


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset.

    Box observations are flattened to float32, Discrete ones become one-hot. Discrete actions start at 0 here whatever
    the space's own start. Box actions are clipped to their bounds only on the way in, so that the policy's own action
    is the one that is stored; with env.rescale_actions they are clipped to [-1, 1] and mapped onto finite bounds.
    """

    def __init__(self, env: Env, slots: int, vec: str = "sync"):
        self.timeout = env.timeout
        self.id = env.id
        self._env = make_vec(env, slots, vec)
        obs, action = self._env.single_observation_space, self._env.single_action_space
        self.spaces = spaces_of(env.id, obs, action)
        self.time_limit = self._env.spec.max_episode_steps if self._env.spec else None
        self._one_hot = int(obs.n) if isinstance(obs, Discrete) else 0
        self._obs_start = int(obs.start) if isinstance(obs, Discrete) else 0
        self._action_space = action
        self._rescale = env.rescale_actions
        if env.rescale_actions:
            require_finite_bounds(env.id, action)
        self._after_done = np.zeros(slots, bool)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D]."""
        obs, _ = self._env.reset(seed=list(seeds))
        self._after_done[:] = False
        return self._flat(obs)

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; see `contract.VecEnv`."""
        valid = ~self._after_done
        obs, rewards, terminated, truncated, _ = self._step(self._to_space(actions))
        self._after_done = terminated | truncated
        return Step(self._flat(obs), np.asarray(rewards, np.float64), terminated, truncated, valid)

    def close(self) -> None:
        """Close every copy; workers that no longer answer are ended."""
        if isinstance(self._env, gym.vector.AsyncVectorEnv):
            self._env.close(terminate=True)
        else:
            self._env.close()

    def _step(self, actions: np.ndarray) -> Any:
        if not isinstance(self._env, gym.vector.AsyncVectorEnv):
            return self._env.step(actions)
        self._env.step_async(actions)
        try:
            return self._env.step_wait(self.timeout)
        except multiprocessing.TimeoutError:
            raise UserError(
                f"env.id={self.id}: a step took longer than env.timeout={self.timeout} seconds; raise env.timeout, or "
                "set it to null to wait for ever"
            ) from None

    def _flat(self, obs: Any) -> np.ndarray:
        if self._one_hot:
            return np.eye(self._one_hot, dtype=np.float32)[np.asarray(obs) - self._obs_start]
        return np.asarray(obs, np.float32).reshape(len(obs), -1)

    def _to_space(self, actions: np.ndarray) -> np.ndarray:
        space = self._action_space
        if isinstance(space, Discrete):
            return actions + space.start
        assert isinstance(space, Box)
        shaped = actions.reshape(len(actions), *space.shape)
        if self._rescale:
            shaped = space.low + (np.clip(shaped, -1, 1) + 1) * 0.5 * (space.high - space.low)
        return np.clip(shaped, space.low, space.high).astype(space.dtype)


def make_vec(env: Env, slots: int, vec: str) -> VectorEnv:
    """Gymnasium's vector environment of `slots` copies; UserError if there is no such task."""
    # the mode is always named: with None Gymnasium may swap in an environment whose slots share one generator
    try:
        with interrupts_ignored():
            return gym.make_vec(
                env.id,
                num_envs=slots,
                vectorization_mode=vec,
                vector_kwargs={"autoreset_mode": AutoresetMode.NEXT_STEP},
                **env.kwargs,
            )
    except (gym.error.Error, ImportError, TypeError) as error:
        kwargs = f" with env.kwargs={env.kwargs}" if env.kwargs else ""
        raise UserError(f"env.id={env.id}{kwargs}: {error}") from error


@contextmanager
def interrupts_ignored() -> Iterator[None]:
    """Worker processes started inside ignore Ctrl-C: the trainer answers it, and closes them."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def spaces_of(env_id: str, obs: gym.Space, action: gym.Space) -> Spaces:
    """Sizes of a task's flat observation and action; UserError for spaces that are not supported."""
    if isinstance(obs, Discrete):
        obs_size = int(obs.n)
    elif isinstance(obs, Box):
        obs_size = int(np.prod(obs.shape))
    else:
        raise UserError(f"env.id={env_id}: observation space {obs} is not supported; choose a task with Box or Discrete")
    if isinstance(action, Discrete):
        return Spaces(obs_size, int(action.n), continuous=False)
    if isinstance(action, Box) and np.issubdtype(action.dtype, np.floating):
        return Spaces(obs_size, int(np.prod(action.shape)), continuous=True)
    raise UserError(f"env.id={env_id}: action space {action} is not supported; choose a task with Box or Discrete")


def require_finite_bounds(env_id: str, action: gym.Space) -> None:
    """UserError unless the action space is a Box with finite bounds."""
    if not (isinstance(action, Box) and action.is_bounded()):
        raise UserError(
            f"env.rescale_actions=true: {env_id} has the action space {action}, without finite bounds to rescale to; "
            "set env.rescale_actions=false"
        )
