"""Copies of a task whose failures stay their own: what slots in this process and in workers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from rl_decay.errors import UserError


class RawStep(NamedTuple):
    """One step of every slot in the task's own numbers; rows of slots that were not stepped mean nothing."""

    obs: Any  # [S, ...] in the structure of the batched observation space; nobody else holds these arrays
    rewards: np.ndarray  # [S] float64
    terminated: np.ndarray  # [S] bool
    truncated: np.ndarray  # [S] bool


class Faults:
    """Which slots are broken, and the errors that nobody has taken yet.

    A slot breaks once and stays so: its copy is neither stepped nor reset again.
    """

    def __init__(self, slots: int):
        self.broken = np.zeros(slots, bool)
        self.any = False  # broken.any() would cost every step 2 microseconds
        self._new: dict[int, UserError] = {}

    def add(self, slot: int, error: UserError, cause: BaseException | None = None) -> None:
        """Break a slot, once; `cause` is the exception that its copy raised."""
        if self.broken[slot]:
            return
        error.__cause__ = cause
        self.broken[slot] = True
        self.any = True
        self._new[slot] = error

    def take(self) -> dict[int, UserError]:
        """The errors since the last call, in the order of the slots."""
        if not self._new:
            return {}
        new = dict(sorted(self._new.items()))
        self._new = {}
        return new


class Slots(Protocol):
    """Copies of a task under NEXT_STEP autoreset, reset and stepped one by one.

    An exception of one copy breaks its slot; all others are reset and stepped as without it.
    """

    faults: Faults

    def reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every sound slot, unseeded where the seed is None; the task's own observations [S, ...]."""
        ...

    def step(self, actions: Any, stepped: np.ndarray | None) -> RawStep:
        """Step the sound slots, or those of the mask `stepped` [S] alone, by the task's own actions [S, ...].

        The first step after an episode's end resets the copy: reward 0, and neither flag is set.
        """
        ...

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it; to be asked while no slot is broken."""
        ...

    def close(self) -> None:
        """Close every copy."""
        ...


def borrow_rows(batch: Any, to: np.ndarray, source: int) -> None:
    """In every array of a batch, nested in dicts and tuples or not, overwrite the rows of the mask `to` by one row."""
    if isinstance(batch, dict):
        for part in batch.values():
            borrow_rows(part, to, source)
    elif isinstance(batch, tuple):
        for part in batch:
            borrow_rows(part, to, source)
    else:
        batch[to] = batch[source]
