"""Flat observations of any space that Gymnasium can flatten to numbers, in the order of `gymnasium.spaces.flatten`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, OneOf, Sequence, Text, Tuple

from rl_decay.errors import UserError, one_line

Path: TypeAlias = tuple[str | int, ...]  # the keys of a Dict and the places of a Tuple that lead to a part
LONGEST_NAME = 80  # characters of a part's name
LONGEST_LIST = 400  # characters of the parts that the plan prints
REASONS = {
    Text: "words are no numbers",
    Graph: "a graph has no fixed number of nodes",
    Sequence: "a sequence has no fixed length",
    OneOf: "one of several kinds at a time has no fixed meaning per number",
}


@dataclass(frozen=True)
class Part:
    """A space without parts of its own, and its place in a flat observation: `size` columns from `start` on.

    A number of a Discrete or MultiDiscrete space becomes as many columns as it has values, one of which is 1.
    """

    path: Path  # () for a space that is no Dict or Tuple
    space: Box | Discrete | MultiDiscrete | MultiBinary
    start: int
    size: int

    @property
    def name(self) -> str:
        """The path in words: `goal.position`, `0.1`."""
        return in_words(self.path)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the task's own value."""
        return tuple(self.space.shape or ())

    def of(self, obs: Any) -> Any:
        """The part's value in one of the task's own observations, or its values [S, ...] in a batch."""
        for key in self.path:
            obs = obs[key]
        return obs


def in_words(path: Path) -> str:
    """A path for a person, whatever characters the task's keys have."""
    return one_line(".".join(map(str, path)), LONGEST_NAME)


class Flattening:
    """From the task's own observations to flat ones; UserError for a space that has no fixed number of numbers.

    `encode` makes flat observations [S, D] float32 of a batch of the task's own. A batch of a Dict is a dict of arrays
    [S, ...], that of a Tuple a tuple of them. UserError for a number outside a Discrete or MultiDiscrete space.
    """

    def __init__(self, env_id: str, space: gym.Space):
        self._id = env_id
        self.parts: tuple[Part, ...] = tuple(_parts(env_id, space))
        self.size = sum(part.size for part in self.parts)
        self._encoders = [_encoder(env_id, part) for part in self.parts]
        # Chosen once: this runs in every step, and a lone Box or Discrete space needs only half the time.
        self.encode: Callable[[Any], np.ndarray] = self._of_parts
        if isinstance(space, Box):
            self.encode = self._of_box
        elif isinstance(space, Discrete):
            self.encode = _OneNumber(env_id, space)

    def _of_box(self, obs: Any) -> np.ndarray:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite, which the collector reports
            return np.asarray(obs, np.float32).reshape(len(obs), -1)

    def _of_parts(self, obs: Any) -> np.ndarray:
        return self.joined(self.values(obs))

    def values(self, obs: Any) -> list[np.ndarray]:
        """One array per part, in the order of `parts`: of one observation, or of a batch."""
        return [np.asarray(part.of(obs)) for part in self.parts]

    def joined(self, values: list[np.ndarray]) -> np.ndarray:
        """Flat observations [S, D] float32 of one array [S, ...] per part."""
        rows = np.zeros((len(values[0]), self.size), np.float32)
        # As for a lone Box; `invalid` for numbers of a Discrete part that are not even finite, which it then refuses.
        with np.errstate(over="ignore", invalid="ignore"):
            for encode, batch in zip(self._encoders, values, strict=True):
                encode(rows, batch)
        return rows

    def batch(self, obs: Any) -> tuple[list[np.ndarray], bool]:
        """One array [S, ...] per part, and whether `obs` was a batch of observations and not one; ValueError for
        another shape.
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
            return np.asarray(part.of(obs))
        except (KeyError, IndexError, TypeError):
            names = ", ".join(other.name for other in self.parts)
            raise ValueError(
                f"an observation of {self._id} has the parts {names}; this one has no {part.name}"
            ) from None

    def order(self) -> str:
        """The parts in the order of their columns, with their sizes; "" for a space that is no Dict or Tuple."""
        named = [f"{part.name}: {part.size:,}" for part in self.parts if part.path]
        return one_line(", ".join(named), LONGEST_LIST)


def misshapen(space: gym.Space, obs: Any, what: str) -> str | None:
    """Which part of one of the task's own observations has another shape than its space, in words; None if no part."""
    inner: Iterable[tuple[str | int, gym.Space]]
    value: Any = obs
    if isinstance(space, Dict):
        if not isinstance(obs, Mapping) or space.spaces.keys() - obs.keys():
            return f"{what} without the keys {one_line(', '.join(map(str, space.spaces)))}"
        inner = space.spaces.items()
    elif isinstance(space, Tuple):
        if not isinstance(obs, (tuple, list)) or len(obs) != len(space.spaces):
            return f"{what} that is no tuple of {len(space.spaces)}"
        inner = enumerate(space.spaces)
    elif np.shape(obs) != space.shape:
        return f"{what} of shape {np.shape(obs)}, not {space.shape}"
    else:
        return None
    for key, part in inner:
        if problem := misshapen(part, value[key], f"{what}'s part {one_line(key, LONGEST_NAME)}"):
            return problem
    return None


class _Numbers:
    """Writes a Box or MultiBinary part as it is."""

    def __init__(self, part: Part):
        self._columns = slice(part.start, part.start + part.size)

    def __call__(self, rows: np.ndarray, values: np.ndarray) -> None:
        """Fill this part's columns of rows [S, D] from values [S, ...]."""
        rows[:, self._columns] = values.reshape(len(values), -1)


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


def _encoder(env_id: str, part: Part) -> _OneHot | _Numbers:
    one_hot = isinstance(part.space, (Discrete, MultiDiscrete))
    return _OneHot(env_id, part) if one_hot else _Numbers(part)


def _parts(env_id: str, space: gym.Space) -> Iterator[Part]:
    """The parts of an observation space in Gymnasium's order; UserError for an unsupported one, by name."""
    start = 0
    for path, leaf in _leaves(space, ()):
        where = f" part {in_words(path)}:" if path else " space"
        what = f"env.id={env_id}: observation{where} {one_line(leaf)}"
        if not isinstance(leaf, (Box, Discrete, MultiDiscrete, MultiBinary)):
            kind = next((kind for kind in REASONS if isinstance(leaf, kind)), None)
            reason = f" ({REASONS[kind]})" if kind else ""
            raise UserError(
                f"{what} is not supported{reason}; choose a task with Box, Discrete, MultiDiscrete or MultiBinary, or "
                "with a Dict or Tuple of them, or drop that part in a wrapper"
            )
        size = gym.spaces.flatdim(leaf)
        if size == 0:
            raise UserError(f"{what} has no elements; choose a task with at least one")
        yield Part(path, leaf, start, size)
        start += size
    if start == 0:
        raise UserError(
            f"env.id={env_id}: observation space {one_line(space)} has no elements; choose a task with at least one"
        )


def _leaves(space: gym.Space, path: Path) -> Iterator[tuple[Path, gym.Space]]:
    """The spaces inside a space that are no Dict or Tuple, with their paths; a Dict's keys as Gymnasium orders them."""
    inner: Iterable[tuple[str | int, gym.Space]]
    if isinstance(space, Dict):
        inner = space.spaces.items()
    elif isinstance(space, Tuple):
        inner = enumerate(space.spaces)
    else:
        yield path, space
        return
    for key, part in inner:
        yield from _leaves(part, (*path, key))
