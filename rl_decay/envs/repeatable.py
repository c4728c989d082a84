"""Is a task a function of its reset seed? Two copies are played and compared, bit for bit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rl_decay.envs.contract import TaskCopies
from rl_decay.types import Spaces

SEED = 20_231  # of the resets and the actions, the same for every task
STEPS = 100  # of each of the three parts
SECONDS = 1.0  # that the first part may take; the others take as many steps


class Row(NamedTuple):
    """What two copies gave in one step, or in a reset: [2, ...] each."""

    observations: np.ndarray  # the task's own, before they are cast to float32
    rewards: np.ndarray
    ends: np.ndarray  # [2, 2] terminated, truncated


def play(copies: TaskCopies) -> tuple[list[Row], list[Row]]:
    """Play two copies with equal seeds and actions: a seeded part, one after an unseeded reset, and the first again.

    Returns the rows of the first two parts, and those of the third. There are at least two resets because some
    simulators, PyBullet for one, differ only after the second.
    """
    actions = _actions(copies.spaces)
    history = _part(copies, SEED, actions, SECONDS)
    steps = len(history) - 1
    history += _part(copies, None, actions[:steps])
    return history, _part(copies, SEED, actions[:steps])


def difference(history: Sequence[Row], again: Sequence[Row]) -> str | None:
    """Where two copies differ, or a copy that has played from a new one; None where all bits are equal."""
    first, second = _copy(history, 0), _copy(history, 1)
    for who, one, other in (("two copies", first, second), ("a new copy and a used one", first, _copy(again, 0))):
        for steps, (a, b) in enumerate(zip(one, other)):
            for what in Row._fields:
                if getattr(a, what).tobytes() != getattr(b, what).tobytes():
                    return f"{what} of {who} differ after {steps} steps"
    return None


def _part(copies: TaskCopies, seed: int | None, actions: np.ndarray, seconds: float = float("inf")) -> list[Row]:
    """Reset both copies and step them by the actions [t, ...], for at most so many seconds."""
    started = time.monotonic()
    nothing = np.zeros(2)
    rows = [Row(copies.raw_reset([seed, seed]), nothing, np.zeros((2, 2), bool))]
    for action in actions:
        obs, rewards, terminated, truncated = copies.raw_step(np.stack([action, action]))
        ends = np.stack([terminated, truncated], axis=1)
        rows.append(Row(obs, np.array(rewards, np.float64), ends))
        if time.monotonic() - started > seconds:
            break
    return rows


def _actions(spaces: Spaces) -> np.ndarray:
    """Flat actions of a random policy: [STEPS] int64, or [STEPS, A] float32."""
    rng = np.random.default_rng(np.random.SeedSequence(SEED))
    if spaces.continuous:
        return rng.standard_normal((STEPS, spaces.num_actions), np.float32)
    return rng.integers(spaces.num_actions, size=STEPS)


def _copy(rows: Sequence[Row], index: int) -> list[Row]:
    return [Row(*(field[index] for field in row)) for row in rows]
