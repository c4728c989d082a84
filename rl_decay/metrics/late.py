"""The endpoints of an experiment: what a run does in the late window (end - share * end, end] of its training.

Conventions as in oscillation.py: t is [K] in env steps, y is [..., K]. `end` is the length of the training in env
steps, t[K-1] unless given; give it for a run that was interrupted, so that its window stays where it was planned.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rl_decay.metrics.arrays import Floats, as_floats, as_times, undefined
from rl_decay.metrics.risk import cvar, drawdown, retention
from rl_decay.metrics.trend import residual_std

LATE_SHARE = 0.3
FINAL_SHARE = 0.1  # the window of final_return and of the levels that retention compares
# A quadratic takes three of the points; with fewer than eight in all, the rest says little about a spread.
FEWEST_LATE_POINTS = 8


def within(t: ArrayLike, end: float, span: float) -> NDArray[np.bool_]:
    """Mask [...] of the times t [...] that lie in (end - span, end]; all in env steps."""
    t = np.asarray(t, dtype=np.float64)
    # The border is a product of decimals such as 0.3: without slack its last bit decides whether a point on it counts.
    slack = 1e-9 * span
    return (t > end - span + slack) & (t <= end + slack)


def late_window(t: ArrayLike, share: float = LATE_SHARE, end: float | None = None) -> NDArray[np.bool_]:
    """Mask [K] of the times t [K] in (end * (1 - share), end], env steps.

    Errors: ValueError for share outside (0, 1], end below 0, or times that are not strictly increasing.
    """
    t = as_times(t, np.size(t))
    if end is None:
        end = float(t[-1]) if t.size else 0.0
    if not 0 < share <= 1 or not end >= 0:
        raise ValueError(f"share must lie in (0, 1] and end must not be negative, got share={share}, end={end}")
    return within(t, end, share * end)


def osc_late(t: ArrayLike, y: ArrayLike, share: float = LATE_SHARE, end: float | None = None) -> Floats:
    """Late oscillation: standard deviation around a quadratic trend over the late window.

        osc_late = residual_std(t_late, y_late, 2)

    t [K], y [..., K] -> [...], in the unit of y. NaN with fewer than 8 points in the window; exactly 0 for a frozen
    policy on fixed evaluation seeds. Errors: as late_window.
    Source: this project; why quadratic, and why a residual, is in the docstring of residual_std.
    """
    y = as_floats(y)
    t = as_times(t, y.shape[-1])
    late = late_window(t, share, end)
    if late.sum() < FEWEST_LATE_POINTS:
        return undefined(y)
    return residual_std(t[late], y[..., late], 2)


def drawdown_cvar_late(
    t: ArrayLike, y: ArrayLike, alpha: float = 0.05, share: float = LATE_SHARE, end: float | None = None
) -> Floats:
    """Mean of the worst share alpha of the late losses against the best score since the START of training.

        cvar(drawdown(y)_late, alpha, "upper")

    A run that collapsed before the window is therefore charged for it.

    t [K], y [..., K] -> [...], in the unit of y. NaN without a point in the window. Errors: as late_window and cvar.
    Source: long-term risk of Chan et al. 2020 (arXiv:1912.05663), on the upper tail, which is the bad one.
    """
    losses = drawdown(y)  # of the whole curve, before the window is cut out
    late = late_window(as_times(t, losses.shape[-1]), share, end)
    return cvar(losses[..., late], alpha, "upper")


def retention_late(t: ArrayLike, y: ArrayLike, share: float = FINAL_SHARE, end: float | None = None) -> Floats:
    """Retention with as many points in a level as lie in the last `share` of training.

        retention(y, width)        width = number of points in (end * (1 - share), end]

    t [K], y [..., K] normalised scores -> [...] in [0, 1]. NaN without a point in the window, and as retention.
    Errors: as late_window. Source: this project.
    """
    y = as_floats(y)
    width = int(late_window(as_times(t, y.shape[-1]), share, end).sum())
    return retention(y, width) if width else undefined(y)
