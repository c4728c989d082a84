"""What a task simulated over all slots at once must offer, and the pieces that such tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

LARGEST_ARGUMENT = 1e6  # of a number among a task's arguments: far from where Python and NumPy overflow differently


class Moved(NamedTuple):
    """What a step of S slots led to."""

    state: np.ndarray  # [W, S] float64
    obs: np.ndarray  # [S, D] float32
    rewards: np.ndarray  # [S] float64
    terminated: np.ndarray  # [S] bool


class Dynamics(ABC):
    """One task's arithmetic on arrays. It keeps no slots, and a slot's numbers do not depend on the other slots.

    A state is [W, S] float64: a contiguous row for each of its W numbers. NumPy may compute other rows in another way.

    original: Gymnasium's class. arguments: those of its constructor that are known here, each with a function that says
    whether a value is; a subclass takes the values by the same names.
    """

    original: ClassVar[type]
    arguments: ClassVar[Mapping[str, Callable[[Any], bool]]] = {}
    width: ClassVar[int]  # W

    def __init__(self, **arguments: Any):
        self.task: Any = self.original(**arguments)

    @staticmethod
    def has_same_bits() -> bool:
        """Whether this NumPy on this processor computes arrays as the original computes single numbers."""
        return True  # a task that calls NumPy's functions alone, which treat a number as an array of one

    @abstractmethod
    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """The states [count, W] that the next `count` resets of a slot give, drawn from its generator."""

    @abstractmethod
    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """One step from `state` by the task's own actions [S] int64 or [S, 1] float32, without the time limit."""

    def first_obs(self, state: np.ndarray) -> np.ndarray:
        """Observations [S, D] of states that a reset gave."""
        return columns(state)


def columns(rows: np.ndarray) -> np.ndarray:
    """Rows [D, S] as observations [S, D] float32."""
    return rows.T.astype(np.float32, order="C")


def is_number(value: Any) -> bool:
    """Whether an argument is a number of a size that a person may mean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST_ARGUMENT


def is_bool(value: Any) -> bool:
    """Whether an argument is true or false."""
    return isinstance(value, bool)
