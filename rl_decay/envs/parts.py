"""The parts of an observation space: a Dict or Tuple is taken apart, in the order of `gymnasium.spaces.flatten`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, OneOf, Sequence, Text, Tuple

from rl_decay.errors import UserError, one_line

Path: TypeAlias = tuple[str | int, ...]  # the keys of a Dict and the places of a Tuple that lead to a part
LONGEST_NAME = 80  # characters of a part's name
REASONS = {  # why an observation space is refused
    Text: "words are no numbers",
    Graph: "a graph has no fixed number of nodes",
    Sequence: "a sequence has no fixed length",
    OneOf: "its numbers mean something else whenever the kind changes",
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

    def value(self, obs: Any) -> Any:
        """The part's value in one of the task's own observations, or its values [S, ...] in a batch."""
        for key in self.path:
            obs = obs[key]
        return obs


def parts_of(env_id: str, space: gym.Space) -> tuple[Part, ...]:
    """The parts of an observation space in Gymnasium's order; UserError that names the first unsupported one."""
    parts: list[Part] = []
    start = 0
    for path, leaf in _leaves(space, ()):
        where = f"part {in_words(path)}:" if path else "space"
        what = f"env.id={env_id}: observation {where} {one_line(leaf)}"
        if not isinstance(leaf, (Box, Discrete, MultiDiscrete, MultiBinary)):
            kind = next((kind for kind in REASONS if isinstance(leaf, kind)), None)
            reason = f" ({REASONS[kind]})" if kind else ""
            raise UserError(
                f"{what} is not supported{reason}; choose a task with Box, Discrete, MultiDiscrete or MultiBinary, or "
                "with a Dict or Tuple of them, or drop that part in a wrapper"
            )
        size = gym.spaces.flatdim(leaf)
        if size == 0:
            raise _no_elements(what)
        parts.append(Part(path, leaf, start, size))
        start += size
    if not parts:
        raise _no_elements(f"env.id={env_id}: observation space {one_line(space)}")
    return tuple(parts)


def _no_elements(what: str) -> UserError:
    return UserError(f"{what} has no elements; choose a task with at least one")


def in_words(path: Path) -> str:
    """A path for a person, whatever characters the task's keys have."""
    return one_line(".".join(map(str, path)), LONGEST_NAME)


def _leaves(space: gym.Space, path: Path) -> Iterator[tuple[Path, gym.Space]]:
    """The spaces inside a space that are no Dict or Tuple, with their paths."""
    inner: Iterable[tuple[str | int, gym.Space]]
    if isinstance(space, Dict):
        inner = space.spaces.items()  # sorted by Gymnasium, unless the task gave an OrderedDict
    elif isinstance(space, Tuple):
        inner = enumerate(space.spaces)
    else:
        yield path, space
        return
    for key, part in inner:
        yield from _leaves(part, (*path, key))


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
