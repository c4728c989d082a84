"""A task's own Gymnasium environments, in this process or in workers, behind the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv, SyncVectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate

from rl_decay.config.schema import Env
from rl_decay.envs.async_slots import AsyncSlots
from rl_decay.envs.contract import Step
from rl_decay.envs.faults import TookTooLongError
from rl_decay.envs.making import Wrapping, make_copies, time_limit
from rl_decay.envs.slots import RawStep, Slots, borrow_rows
from rl_decay.envs.spaces import Codec
from rl_decay.envs.sync_slots import SyncSlots
from rl_decay.errors import UserError


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset, with flat observations and actions.

    `wrappers`, which `examine` chose for the task, go around each copy, the last one outermost; `squash` as in `Codec`.
    """

    def __init__(
        self, env: Env, slots: int, vec: str = "sync", wrappers: Sequence[Wrapping] = (), squash: str = "none"
    ):
        vector: Any = make_copies(env, slots, vec, wrappers)
        self._obs_space = vector.observation_space
        self._after_done = np.zeros(slots, bool)  # slots whose next step is the reset, a filler row
        self._slots = _slots(vector, env)
        try:
            spaces = vector.single_observation_space, vector.single_action_space
            self.codec = Codec(env.id, *spaces, rescale=env.rescale_actions, squash=squash)
        except UserError:
            self.close()  # nobody else could: there is no object yet
            raise
        self.spaces = self.codec.spaces
        self.time_limit = time_limit(env, vector.spec)

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every sound slot with its own seed; obs [S, D], see `contract.VecEnv`."""
        obs = self._encode(self._slots.reset(seeds))
        self._after_done[:] = False
        obs[self._slots.faults.broken] = 0
        return obs

    def step(self, actions: np.ndarray, stepped: np.ndarray | None = None) -> Step:
        """Step every sound slot, or those of the mask alone; see `contract.VecEnv`."""
        raw = self._slots.step(self.codec.decode(actions), stepped)
        step = Step(self._encode(raw.obs), raw.rewards, raw.terminated, raw.truncated, ~self._after_done)
        self._after_done = raw.terminated | raw.truncated
        if not self._slots.faults.any:
            return step
        broken = self._slots.faults.broken
        for values in (step.obs, step.rewards, step.terminated, step.truncated, self._after_done):
            values[broken] = 0
        step.valid[broken] = True
        return step

    def take_faults(self) -> dict[int, UserError]:
        """The errors of the slots that broke since the last call; see `contract.VecEnv`."""
        return self._slots.faults.take()

    def raw_reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every slot, unseeded where the seed is None; the task's own observations [S, ...]."""
        obs = self._slots.reset(seeds)
        self._after_done[:] = False
        self._require_no_fault()
        return obs

    def raw_step(self, actions: np.ndarray) -> RawStep:
        """Step every slot by flat actions."""
        raw = self._slots.step(self.codec.decode(actions), None)
        self._after_done = raw.terminated | raw.truncated
        self._require_no_fault()
        return raw

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it, in the order of the slots."""
        return self._slots.attribute(name)

    def close(self) -> None:
        """Close every copy; workers that no longer answer are ended."""
        self._slots.close()

    def _encode(self, obs: Any) -> np.ndarray:
        """Flat observations [S, D]; one that its space does not hold breaks its slot. Rows of broken slots are any."""
        broken = self._slots.faults.broken
        if self._slots.faults.any:
            if broken.all():
                return np.zeros((len(broken), self.spaces.obs_size), np.float32)
            borrow_rows(obs, broken, int(np.argmin(broken)))  # a broken slot's may be one that the codec refuses
        try:
            return self.codec.encode(obs)
        except UserError:
            before = broken.sum()
            self._break_where_refused(obs)
            if broken.sum() == before:
                raise
            return self._encode(obs)

    def _break_where_refused(self, obs: Any) -> None:
        """Break each slot whose observation alone the codec refuses."""
        space = self.codec.obs_space
        for slot, item in enumerate(iterate(self._obs_space, obs)):
            if self._slots.faults.broken[slot]:
                continue
            row: Any = concatenate(space, [item], create_empty_array(space, 1))
            try:
                self.codec.encode(row)
            except UserError as error:
                self._slots.faults.add(slot, error)

    def _require_no_fault(self) -> None:
        """Raise an error of a slot; a timeout first, because such a task's methods might never return."""
        errors = list(self.take_faults().values())
        late = [error for error in errors if isinstance(error, TookTooLongError)]
        for error in late + errors:
            raise error


def _slots(vector: SyncVectorEnv | AsyncVectorEnv, env: Env) -> Slots:
    if isinstance(vector, AsyncVectorEnv):
        return AsyncSlots(vector, env.id, env.timeout)
    return SyncSlots(vector, env.id)
