"""What an environment back-end must offer: `VecEnv` to training, `TaskCopies` to `examine` as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from rl_decay.envs.spaces import Codec
from rl_decay.types import Spaces


class Step(NamedTuple):
    """One step of every slot.

    obs [S, D] float32 is the observation reached by the step. After an episode's end the next step of the slot is a
    filler row: it ignores its action and resets the slot; obs is the reset observation, valid False, reward 0, and
    neither flag is set.
    """

    obs: np.ndarray  # [S, D] float32
    rewards: np.ndarray  # [S]
    terminated: np.ndarray  # [S] bool
    truncated: np.ndarray  # [S] bool
    valid: np.ndarray  # [S] bool


class VecEnv(Protocol):
    """S environments ("slots") stepped together; slot s depends on its own reset seed and actions alone."""

    spaces: Spaces
    time_limit: int | None  # steps after which an episode is truncated

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset slot s with seeds[s] and return obs [S, D]; afterwards its future is a function of that seed."""
        ...

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; actions [S] int64 in 0..A-1, [S, C] int64, or [S, A] float32, unclipped."""
        ...

    def close(self) -> None:
        """Free processes and windows."""
        ...


@runtime_checkable
class TaskCopies(VecEnv, Protocol):
    """A back-end whose slots run the task's own Python code, which `examine` plays before it is trusted."""

    codec: Codec

    def raw_reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every slot, unseeded where the seed is None; the task's own observations [S, ...]."""
        ...

    def raw_step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Step every slot by flat actions; the task's own observations [S, ...], rewards, terminated, truncated [S]."""
        ...

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it, in the order of the slots."""
        ...
