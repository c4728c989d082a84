"""What an environment back-end must offer: `VecEnv` to training, `TaskCopies` to `examine` as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from rl_decay.envs.slots import RawStep
from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError
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
    """S environments ("slots") stepped together; slot s depends on its own reset seed and actions alone.

    A slot is *broken* once its copy has raised, died or taken too long; the others go on as without that. A broken slot
    is neither stepped nor reset again, and its rows are valid, with zeros and without flags.
    """

    spaces: Spaces
    time_limit: int | None  # steps after which an episode is truncated

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset slot s with seeds[s] and return obs [S, D]; afterwards its future is a function of that seed."""
        ...

    def step(self, actions: np.ndarray, stepped: np.ndarray | None = None) -> Step:
        """Step every slot; actions [S] int64 in 0..A-1, [S, C] int64, or [S, A] float32, unclipped.

        stepped [S] bool: the slots whose rows are looked at, None = all. The others need not be stepped until the next
        reset, and their rows mean nothing.
        """
        ...

    def take_faults(self) -> dict[int, UserError]:
        """The error of each slot that broke since the last call, in the order of the slots."""
        ...

    def close(self) -> None:
        """Free processes and windows."""
        ...


@runtime_checkable
class TaskCopies(VecEnv, Protocol):
    """A back-end whose slots run the task's own Python code, which `examine` plays before it is trusted."""

    codec: Codec

    def raw_reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every slot, unseeded where the seed is None; the task's own observations [S, ...].

        UserError if a copy fails.
        """
        ...

    def raw_step(self, actions: np.ndarray) -> RawStep:
        """Step every slot by flat actions; UserError if a copy fails."""
        ...

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it, in the order of the slots."""
        ...
