"""What training asks of an environment back-end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from rl_decay.types import Spaces


class Step(NamedTuple):
    """One step of every slot.

    obs [S, D] float32 is the observation reached, never a reset observation; the reset happens in the step after an
    episode's end, whose action is ignored and whose row has valid False, reward 0 and no flag.
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
        """Step every slot; actions [S] int64 in 0..A-1, or [S, A] float32, unclipped."""
        ...

    def close(self) -> None:
        """Free processes and windows."""
        ...
