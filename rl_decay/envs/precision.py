"""Whether the cast to float32 keeps the changes of an observation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGE = 1e4  # below it float32 resolves better than 0.001, and a loss counts as rounding
DISTINCT_VALUES = 8  # float32 values that a number must at least range over, in a few hundred steps


def lost_in_float32(observations: Sequence[np.ndarray], whose: str = "the observation") -> str | None:
    """Say which numbers of an observation lose their changes in float32, because a large constant is added to them.

    observations: the task's own, or one part of each (`whose`), [t] arrays of one shape. float32 has 24 bits, so that
    100,000,000 and 100,000,003 are the same number to it. None where every number keeps at least 8 values over the
    range that was seen.
    """
    rows = np.array([np.ravel(obs) for obs in observations])
    if rows.dtype not in (np.float64, np.int64, np.uint64, np.int32, np.uint32):
        return None
    with np.errstate(all="ignore"):  # numbers beyond float32, or not finite: training reports them
        spread = rows.max(axis=0) - rows.min(axis=0).astype(np.float64)
        size = np.abs(rows).max(axis=0).astype(np.float32)
        resolution = np.spacing(size).astype(np.float64)
        small = (spread > 0) & (spread < DISTINCT_VALUES * resolution)
        lost = np.flatnonzero(small & (size > LARGE) & np.isfinite(resolution))
    if not len(lost):
        return None
    first = lost[0]
    low, high = rows[:, first].min(), rows[:, first].max()
    numbers = f"number {first}" if len(lost) == 1 else f"{len(lost)} numbers (the first is number {first})"
    return f"{numbers} of {whose} ran from {low!s} to {high!s}, which float32 hardly tells apart"
