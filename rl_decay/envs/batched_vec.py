"""Slots of a task that is simulated in whole arrays (`vec=batched`), behind the contract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from gymnasium.utils.seeding import np_random

from rl_decay.config.schema import Env
from rl_decay.envs.batchable import dynamics_of
from rl_decay.envs.contract import Step
from rl_decay.envs.making import Wrapping, time_limit
from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError

DRAWN = 16  # resets whose states a slot draws in one call: a call for each would take longer than a step of all slots


class BatchedVec:
    """`slots` slots of a classic-control task, bit for bit those of `GymnasiumVec`.

    There are no copies in Python, so `wrappers` have nothing to go around. UserError, with the way out, for a task that
    cannot be batched.
    """

    def __init__(self, env: Env, slots: int, *, wrappers: Sequence[Wrapping] = (), squash: str = "none"):
        self._dynamics, spec = dynamics_of(env)
        task = self._dynamics.task
        spaces = task.observation_space, task.action_space
        self.codec = Codec(env.id, *spaces, rescale=env.rescale_actions, squash=squash)
        self.spaces = self.codec.spaces
        self.time_limit = time_limit(env, spec)
        self._limit = np.inf if self.time_limit is None else self.time_limit
        width = self._dynamics.width
        self._state = np.zeros((width, slots))
        self._elapsed = np.zeros(slots, np.int64)  # steps of the episode in progress
        self._after_done = np.zeros(slots, bool)  # slots whose next step is the reset, a filler row
        self._generators: list[np.random.Generator] = []
        self._starts = np.zeros((slots, DRAWN, width))  # of a slot's next resets
        self._used = np.zeros(slots, np.int64)  # how many of these have been taken

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D], see `contract.VecEnv`."""
        assert len(seeds) == len(self._used), f"{len(seeds)} seeds for {len(self._used)} slots"
        self._generators = [np_random(seed)[0] for seed in seeds]
        slots = np.arange(len(seeds))
        self._draw(slots)
        self._after_done[:] = False
        return self._begin(slots)

    def step(self, actions: np.ndarray, stepped: np.ndarray | None = None) -> Step:
        """Step every slot, or those of the mask alone; see `contract.VecEnv`."""
        assert len(actions) == len(self._used), f"actions {actions.shape} for {len(self._used)} slots"
        own_actions = self.codec.decode(actions)
        valid = ~self._after_done
        if stepped is None or stepped.all():
            return self._step_all(own_actions, valid)
        return self._step_some(own_actions, valid, np.flatnonzero(stepped))

    def take_faults(self) -> dict[int, UserError]:
        """Nothing can fail here; see `contract.VecEnv`."""
        return {}

    def close(self) -> None:
        """Nothing is open."""

    def _step_all(self, actions: np.ndarray, valid: np.ndarray) -> Step:
        self._state, obs, rewards, terminated = self._dynamics.step(self._state, actions)
        self._elapsed += 1
        # Slots that begin anew were moved, too: leaving them out of every step would take longer.
        if np.count_nonzero(self._after_done):  # in a third of the time of any()
            begun = np.flatnonzero(self._after_done)
            obs[begun] = self._begin(begun)
            rewards[begun], terminated[begun] = 0, False
        truncated = self._elapsed >= self._limit
        self._after_done = terminated | truncated
        return Step(obs, rewards, terminated, truncated, valid)

    def _step_some(self, actions: np.ndarray, valid: np.ndarray, slots: np.ndarray) -> Step:
        """Step these slots; the rows of the others are zeros, and their states stay."""
        count = len(valid)
        obs = np.zeros((count, self.spaces.obs_size), np.float32)
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        # np.take: state[:, slots] would not have contiguous rows, and NumPy may compute others in another way.
        moved = self._dynamics.step(np.take(self._state, slots, axis=1), actions[slots])
        self._state[:, slots], obs[slots], rewards[slots], terminated[slots] = moved
        self._elapsed[slots] += 1
        begun = slots[self._after_done[slots]]
        if len(begun):
            obs[begun] = self._begin(begun)
            rewards[begun], terminated[begun] = 0, False
        truncated[slots] = self._elapsed[slots] >= self._limit
        self._after_done[slots] = terminated[slots] | truncated[slots]
        return Step(obs, rewards, terminated, truncated, valid)

    def _begin(self, slots: np.ndarray) -> np.ndarray:
        """Put slots into the state of their next reset; their observations [len(slots), D]."""
        state = np.ascontiguousarray(self._starts[slots, self._used[slots]].T)
        self._state[:, slots] = state
        self._elapsed[slots] = 0
        self._used[slots] += 1
        self._draw(slots[self._used[slots] == DRAWN])
        return self._dynamics.first_obs(state)

    def _draw(self, slots: np.ndarray) -> None:
        """Draw the states of these slots' next resets, from each slot's own generator."""
        for slot in slots.tolist():
            self._starts[slot] = self._dynamics.starts(self._generators[slot], DRAWN)
        self._used[slots] = 0
