"""Flat observations of any space that has a fixed number of numbers, computed on the batch.

Row by row they equal `gymnasium.spaces.flatten`, which takes one observation at a time and twenty times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from rl_decay.envs.parts import Part, parts_of
from rl_decay.errors import UserError, one_line

LONGEST_LIST = 400  # characters of the parts that the plan prints


class Flattening:
    """From the task's own observations to flat ones; UserError for a space that is not supported.

    `encode` makes flat observations [S, D] float32 of a batch of the task's own. A batch of a Dict is a dict of arrays
    [S, ...], that of a Tuple a tuple of them. UserError for a number outside a Discrete or MultiDiscrete space.
    """

    def __init__(self, env_id: str, space: gym.Space):
        self._id = env_id
        self.parts = parts_of(env_id, space)
        self.size = sum(part.size for part in self.parts)
        self._writers = [_writer(env_id, part) for part in self.parts]
        # Chosen once: this runs in every step, and a lone Box or Discrete space needs only half the time.
        self.encode: Callable[[Any], np.ndarray] = self._encode_parts
        if isinstance(space, Box):
            self.encode = _encode_box
        elif isinstance(space, Discrete):
            self.encode = _OneNumber(env_id, space)

    def _encode_parts(self, obs: Any) -> np.ndarray:
        return self.joined(self.values(obs))

    def values(self, obs: Any) -> list[np.ndarray]:
        """One array per part, in the order of `parts`: of one observation, or of a batch."""
        return [np.asarray(part.value(obs)) for part in self.parts]

    def joined(self, values: list[np.ndarray]) -> np.ndarray:
        """Flat observations [S, D] float32 of one array [S, ...] per part."""
        rows = np.zeros((len(values[0]), self.size), np.float32)
        # `over` as for a lone Box; `invalid` for a Discrete part's NaN, which is refused afterwards.
        with np.errstate(over="ignore", invalid="ignore"):
            for write, batch in zip(self._writers, values, strict=True):
                write(rows, batch)
        return rows

    def batch(self, obs: Any) -> tuple[list[np.ndarray], bool]:
        """The values [S, ...] of one observation or of a batch, per part, and whether it was a batch.

        ValueError for a missing part or another shape.
        """
        values = []
        lengths = set()  # of the batches; None for a part of one observation
        for part in self.parts:
            value = self._value(part, obs)
            batched = value.ndim == len(part.shape) + 1
            if value.shape[int(batched) :] != part.shape:
                what = f"part {part.name} of an observation" if part.path else "an observation"
                raise ValueError(f"{what} of {self._id} has the shape {part.shape}, this one {value.shape}")
            lengths.add(len(value) if batched else None)
            values.append(value if batched else value[None])
        if len(lengths) > 1:
            raise ValueError(f"the parts of an observation of {self._id} are batches of different lengths")
        return values, lengths != {None}

    def _value(self, part: Part, obs: Any) -> np.ndarray:
        try:
            return np.asarray(part.value(obs))
        except (KeyError, IndexError, TypeError):
            names = ", ".join(other.name for other in self.parts)
            raise ValueError(
                f"an observation of {self._id} has the parts {names}; this one has no {part.name}"
            ) from None

    def order(self) -> str:
        """The parts in the order of their columns, with their sizes; "" for a space that is no Dict or Tuple."""
        named = [f"{part.name}: {part.size:,}" for part in self.parts if part.path]
        return one_line(", ".join(named), LONGEST_LIST)


def _encode_box(obs: Any) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which the collector reports
        return np.asarray(obs, np.float32).reshape(len(obs), -1)


class _OneNumber:
    """One-hot rows of a space that is a lone Discrete one."""

    def __init__(self, env_id: str, space: Discrete):
        self._space = space
        self._size = int(space.n)
        self._first = int(space.start)
        self._what = f"env.id={env_id}: observation"

    def __call__(self, obs: Any) -> np.ndarray:
        """Rows [S, D] that are 1 at obs [S] - start and 0 elsewhere; UserError for one outside start..start+D-1."""
        numbers = np.asarray(obs) - self._first
        outside = (numbers < 0) | (numbers >= self._size)
        if outside.any():  # indexing would take -1 for the last column
            raise UserError(f"{self._what} {obs[outside][0]} is outside its space {one_line(self._space)}")
        rows = np.zeros((len(numbers), self._size), np.float32)  # np.eye(D)[numbers] would make D * D numbers first
        rows[np.arange(len(numbers)), numbers] = 1
        return rows


def _writer(env_id: str, part: Part) -> _OneHot | _Numbers:
    """The writer of a part's columns."""
    one_hot = isinstance(part.space, (Discrete, MultiDiscrete))
    return _OneHot(env_id, part) if one_hot else _Numbers(part)


class _Numbers:
    """Writes a Box or MultiBinary part as it is."""

    def __init__(self, part: Part):
        self._columns = slice(part.start, part.start + part.size)

    def __call__(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Fill this part's columns of rows [S, D] from values [S, ...]."""
        rows[:, self._columns] = values.reshape(len(values), -1)


class _OneHot:
    """Writes a 1 for each number of a Discrete or MultiDiscrete part."""

    def __init__(self, env_id: str, part: Part):
        space = part.space
        assert isinstance(space, (Discrete, MultiDiscrete))
        options = space.n if isinstance(space, Discrete) else space.nvec
        self._options = np.asarray(options, np.int64).reshape(-1)
        self._first = np.asarray(space.start, np.int64).reshape(-1)
        self._columns = part.start + np.cumsum(self._options) - self._options  # where each number's columns begin
        self._space = space
        self._what = f"env.id={env_id}: observation" + (f" part {part.name}:" if part.path else "")

    def __call__(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Write this part's ones into rows [S, D] of zeros; UserError for a number that its space does not have."""
        numbers = values.reshape(len(values), -1).astype(np.int64, copy=False) - self._first
        outside = (numbers < 0) | (numbers >= self._options)
        whole = values.dtype.kind in "iub"
        if not whole or outside.any():  # indexing would take -1 for a column of another number
            row = np.argmax(outside.any(1))
            value = one_line(str(values[row]), 200)
            raise UserError(f"{self._what} {value} is outside its space {one_line(self._space)}")
        rows[np.arange(len(numbers))[:, None], self._columns + numbers] = 1
