"""Is a task a function of its reset seed? Two copies are played and compared, bit for bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rl_decay.envs.contract import TaskCopies
from rl_decay.types import Spaces

SEED = 20_231  # seeds the resets and the actions of every examination
STEPS = 100  # at most so many in each of the three parts
SECONDS = 1.0  # a slow task plays fewer steps: the first part stops after this time, the others after as many steps


class Row(NamedTuple):
    """The results of one step, or of a reset, of two copies: [2, ...] each."""

    observations: Sequence[np.ndarray]  # the task's own, before they are cast to float32; one array per part
    rewards: np.ndarray
    ends: np.ndarray  # [2, 2] terminated, truncated


def play(copies: TaskCopies) -> tuple[list[Row], list[Row]]:
    """Play two copies with equal seeds and actions: a seeded part, one after an unseeded reset, and the first again.

    Returns (the rows of the first two parts, the rows of the third). The part in the middle adds a second reset,
    because the copies of some simulators, PyBullet for one, do not differ before it.
    """
    actions = _actions(copies.spaces)
    first_part = _part(copies, SEED, actions, SECONDS)
    steps = len(first_part) - 1  # without the row of the reset
    second_part = _part(copies, None, actions[:steps])
    again = _part(copies, SEED, actions[:steps])
    return first_part + second_part, again


def difference(history: Sequence[Row], again: Sequence[Row]) -> str | None:
    """The first difference of two copies, or of a new copy and a used one, in words; None if all bits are equal."""
    first = _copy(history, 0)
    pairs = {"two copies": _copy(history, 1), "a new copy and a used one": _copy(again, 0)}
    for who, other in pairs.items():
        for steps, (a, b) in enumerate(zip(first, other)):
            for field, one in a._asdict().items():
                if _bytes(one) != _bytes(getattr(b, field)):
                    return f"{field} of {who} differ after {steps} steps"
    return None


def _bytes(result: np.ndarray | Sequence[np.ndarray]) -> bytes:
    """The bits of one array, or of a list of them: as numbers, NaN would differ from itself."""
    arrays = result if isinstance(result, list) else [result]
    return b"".join(np.asarray(array).tobytes() for array in arrays)


def _part(copies: TaskCopies, seed: int | None, actions: np.ndarray, seconds: float = float("inf")) -> list[Row]:
    """Reset both copies and step them by the actions [t, ...], for at most so many seconds; the reset is row 0."""
    started = time.monotonic()
    no_rewards = np.zeros(2)
    no_ends = np.zeros((2, 2), bool)
    values = copies.codec.flattening.values
    rows = [Row(values(copies.raw_reset([seed, seed])), no_rewards, no_ends)]
    for action in actions:
        obs, rewards, terminated, truncated = copies.raw_step(np.stack([action, action]))
        ends = np.stack([terminated, truncated], axis=1)
        rows.append(Row(values(obs), np.array(rewards, np.float64), ends))
        if time.monotonic() - started > seconds:
            break
    return rows


def _actions(spaces: Spaces) -> np.ndarray:
    """Flat actions of a random policy: [STEPS] or [STEPS, C] int64, or [STEPS, A] float32."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED))
    if spaces.continuous:
        return rng.standard_normal((STEPS, spaces.num_actions), np.float32)
    if spaces.nvec:
        return rng.integers(spaces.nvec, size=(STEPS, len(spaces.nvec)))
    return rng.integers(spaces.num_actions, size=STEPS)


def _copy(rows: Sequence[Row], index: int) -> list[Row]:
    """The results of one of the two copies."""
    alone = []
    for row in rows:
        observations = [part[index] for part in row.observations]
        alone.append(Row(observations, row.rewards[index], row.ends[index]))
    return alone
