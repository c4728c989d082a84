"""The conversions at the start of every metric, and the two ways in which a metric says "undefined"."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# A difference this small against the curve's own size is round-off of the arithmetic, not behaviour of a policy. Ratios
# need the line: dividing one round-off by another yields a plausible number between 0 and 4.
ROUND_OFF = 1e-12


def as_floats(values: ArrayLike) -> Floats:
    """Copy values [..., K] to float64 with inf turned into NaN, so that a diverged run is undefined without warnings.

    Errors: ValueError without an axis to reduce.
    """
    # Rows must be contiguous: in another memory layout NumPy adds in another order, and row m of many curves would
    # differ in the last bits from the same curve alone.
    floats = np.array(values, dtype=np.float64, order="C")
    if floats.ndim == 0:
        raise ValueError(f"expected an axis of values, got the single number {values!r}")
    floats[np.isinf(floats)] = np.nan
    return floats


def as_times(t: ArrayLike, points: int) -> Floats:
    """Convert times [K] in env steps to float64.

    Errors: ValueError unless they are `points` finite numbers that strictly increase.
    """
    times = np.asarray(t, dtype=np.float64)
    if times.shape != (points,):
        raise ValueError(f"times have shape {times.shape}, the curve has {points} points")
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise ValueError("times must be finite and strictly increasing")
    return times


def undefined(y: Floats) -> Any:
    """NaN for each curve of y [..., K]: shape [...]."""
    return np.full(y.shape[:-1], np.nan)[()]


def ratio(numerator: Any, denominator: Any) -> Any:
    """Numerator / denominator, elementwise at equal shapes; NaN unless the denominator is above 0."""
    nothing = np.full(np.shape(denominator), np.nan)
    return np.divide(numerator, denominator, out=nothing, where=np.greater(denominator, 0))[()]


def flat_to_zero(deviation: Floats, y: Floats) -> Floats:
    """Deviations [..., K] from a fit to y [..., K], with the rows that are nothing but round-off set to exactly 0."""
    size = np.abs(y).max(axis=-1, keepdims=True, initial=0.0)
    noise = np.abs(deviation).max(axis=-1, keepdims=True, initial=0.0) <= ROUND_OFF * size
    return np.where(noise, 0.0, deviation)
