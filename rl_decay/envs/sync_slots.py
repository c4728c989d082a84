"""Copies of a task in this process, stepped one after the other (`vec=sync`)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from rl_decay.envs.faults import task_error
from rl_decay.envs.slots import Faults, RawStep


class SyncSlots:
    """The copies that a SyncVectorEnv made; see `slots.Slots`.

    Its own `step` would stop at the first exception, with the slots before it stepped and those behind it not. The bits
    are the same as its bits; a step takes less time, because no info dicts are merged and no array is copied.
    """

    def __init__(self, vector: SyncVectorEnv, task: str):
        self._vector, self._task = vector, task
        self.faults = Faults(vector.num_envs)
        self._resets = [False] * vector.num_envs  # slots whose next step is the reset
        self._obs: list[Any] = [None] * vector.num_envs  # the last observation of each slot

    def reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every sound slot."""
        self._resets = [False] * len(seeds)
        for slot, seed in enumerate(seeds):
            if not self.faults.broken[slot]:
                try:
                    self._obs[slot], _ = self._vector.envs[slot].reset(seed=seed, options=None)
                except BaseException as error:
                    self._failed(slot, "reset", error)
        return self._joined("reset")

    def step(self, actions: Any, stepped: np.ndarray | None) -> RawStep:
        """Step the slots of the mask, None = all, one after the other."""
        envs, obs, resets = self._vector.envs, self._obs, self._resets
        count = len(envs)
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        due = self._due(stepped)
        for slot, action in enumerate(iterate(self._vector.action_space, actions)):
            if due is not None and not due[slot]:
                continue
            try:  # costs no time where nothing is raised
                if resets[slot]:
                    obs[slot], _ = envs[slot].reset()
                else:
                    obs[slot], rewards[slot], terminated[slot], truncated[slot], _ = envs[slot].step(action)
            except BaseException as error:
                self._failed(slot, "step", error)
        self._resets = (terminated | truncated).tolist()  # a slot that is not stepped now is reset before it is again
        return RawStep(self._joined("step"), rewards, terminated, truncated)

    def _due(self, stepped: np.ndarray | None) -> list[bool] | None:
        """Which slots to step; None = all."""
        if not self.faults.any:
            return None if stepped is None else stepped.tolist()
        sound = ~self.faults.broken
        return (sound if stepped is None else sound & stepped).tolist()

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy."""
        return self._vector.get_attr(name)

    def close(self) -> None:
        """Close every copy; a broken one may fail in that, too."""
        envs = self._vector.envs
        for slot in np.flatnonzero(self.faults.broken):
            with suppress(Exception):
                envs[slot].close()
        self._vector.envs = [env for slot, env in enumerate(envs) if not self.faults.broken[slot]]
        self._vector.close()

    def _failed(self, slot: int, method: str, error: BaseException) -> None:
        """Break a slot; a task's own code may raise anything, SystemExit too."""
        if isinstance(error, KeyboardInterrupt):
            raise error
        described = task_error(f"env.id={self._task}: its {method} failed with", error)
        if isinstance(error, MemoryError):  # all copies share this process's memory: no fault of this one
            raise described from error
        self.faults.add(slot, described, error)

    def _joined(self, method: str) -> Any:
        """The last observations [S, ...] in new arrays; broken slots hold the observation of a sound one.

        An observation that does not fit into its row breaks its slot.
        """
        if self.faults.any:
            self._fill_broken()
        try:
            return self._concatenated(self._obs)
        except Exception:
            self._find_misfits(method)
        self._fill_broken()
        return self._concatenated(self._obs)

    def _concatenated(self, obs: Sequence[Any]) -> Any:
        space = self._vector.single_observation_space
        if self.faults.any and self.faults.broken.all():
            return create_empty_array(space, len(obs))
        return concatenate(space, obs, create_empty_array(space, len(obs), fn=np.empty))

    def _fill_broken(self) -> None:
        broken = self.faults.broken
        if not broken.all():
            sound = self._obs[int(np.argmin(broken))]
            for slot in np.flatnonzero(broken):
                self._obs[slot] = sound

    def _find_misfits(self, method: str) -> None:
        """Break the slots whose last observations have another shape, type or structure than their space."""
        for slot in np.flatnonzero(~self.faults.broken).tolist():
            try:
                row = self._concatenated(self._obs[slot : slot + 1])
            except Exception as error:
                self._failed(slot, method, error)
            else:  # in the types of the space, so that no mixture of types is left
                self._obs[slot] = next(iter(iterate(self._vector.observation_space, row)))
