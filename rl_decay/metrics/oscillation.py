"""How much, how often and how roughly an evaluation curve moves, from its successive differences.

Common to every function: y is [..., K], K evaluations in time order, in one unit (normalised score, or raw return).
Only the last axis is reduced, so f(y)[m] == f(y[m]) bit for bit, and a single curve gives a scalar. A curve that holds
NaN or inf (a diverged run) gives NaN. All of these change with the distance between evaluations: compare them on one
fixed, even grid only. `residual_std` (trend.py) is free of that.
"""

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats, as_floats, flat_to_zero, ratio, undefined


def total_variation(y: ArrayLike) -> Floats:
    """Length of the path that a curve travels up and down.

        TV = sum_i |y[i+1] - y[i]|

    y [..., K] -> [...], in the unit of y. NaN below two points.
    Source: C. Jordan 1881, taken on the evaluation grid.
    """
    y = as_floats(y)
    if y.shape[-1] < 2:
        return undefined(y)
    return np.abs(np.diff(y)).sum(axis=-1)


def excess_total_variation(y: ArrayLike) -> Floats:
    """Length of the path that was undone again: 0 if and only if the curve is monotone.

        XTV = TV - |y[K-1] - y[0]| = 2 min(U, D)        U, D = sum of the rises, of the falls

    y [..., K] -> [...], in the unit of y. NaN below two points.
    Source: the positive and negative variation of Jordan's decomposition (1881); the name is this project's.
    """
    y = as_floats(y)
    if y.shape[-1] < 2:
        return undefined(y)
    steps = np.diff(y)
    rises = np.maximum(steps, 0).sum(axis=-1)
    falls = np.maximum(-steps, 0).sum(axis=-1)
    # 2 min(U, D), not the difference: a monotone curve then gives exactly 0 instead of round-off of either sign.
    return 2 * np.minimum(rises, falls)


def turning_rate(y: ArrayLike, delta: float) -> Floats:
    """Share of the interior points at which a curve turns round, steps of at most delta being ignored.

        turns / (K - 2)        turns = sign changes in the sequence of the steps with |y[i+1] - y[i]| > delta

    White noise has 2/3, a random walk 1/2, an alternation 1, a monotone curve 0 (delta = 0). It says nothing about
    amplitude. delta, in the unit of y, silences ripple at a ceiling; it judges single steps, so a slow wave sampled so
    densely that every step is below delta does not turn.

    y [..., K] -> [...], a share without unit. NaN below three points. Errors: ValueError for delta below 0.
    Source: the turning point test, I.-J. Bienaymé 1874; the dead band is this project's.
    """
    if not delta >= 0:
        raise ValueError(f"delta must be at least 0, got {delta}")
    y = as_floats(y)
    if y.shape[-1] < 3:
        return undefined(y)
    steps = np.diff(y)
    loud = np.abs(steps) > delta
    # Carry the direction of the latest loud step over the quiet ones; it is 0 before the first loud step.
    places = np.where(loud, np.arange(steps.shape[-1]), 0)
    latest = np.maximum.accumulate(places, axis=-1)
    signs = np.where(loud, np.sign(steps), 0)
    direction = np.take_along_axis(signs, latest, axis=-1)
    turns = (direction[..., 1:] * direction[..., :-1] < 0).sum(axis=-1)
    # Comparisons with NaN are silently False: without this a diverged curve would look calm.
    diverged = np.isnan(y).any(axis=-1)
    return np.where(diverged, np.nan, turns / (y.shape[-1] - 2))[()]


def successive_difference_std(y: ArrayLike) -> Floats:
    """Point-to-point noise of a curve: sigma for white noise of that standard deviation, whatever the slow trend.

        sqrt(mean_i (y[i+1] - y[i])^2 / 2)

    y [..., K] -> [...], in the unit of y. NaN below two points.
    Source: the two-sample deviation, D. W. Allan 1966.
    """
    y = as_floats(y)
    if y.shape[-1] < 2:
        return undefined(y)
    # Half: the difference of two independent values has twice the variance of one.
    return np.sqrt(np.mean(np.diff(y) ** 2, axis=-1) / 2)


def second_difference_std(y: ArrayLike) -> Floats:
    """Point-to-point noise of a curve, blind to any straight line: sigma for white noise of that standard deviation.

        sqrt(mean_i (y[i+2] - 2 y[i+1] + y[i])^2 / 6)

    y [..., K] -> [...], in the unit of y. NaN below three points.
    Source: the three-sample (Hadamard) deviation, R. A. Baugh 1971.
    """
    y = as_floats(y)
    if y.shape[-1] < 3:
        return undefined(y)
    # A sixth: 1 - 2 + 1 of independent values has 1 + 4 + 1 times their variance.
    return np.sqrt(np.mean(np.diff(y, n=2) ** 2, axis=-1) / 6)


def von_neumann_ratio(y: ArrayLike) -> Floats:
    """Roughness of a curve free of its scale: near 0 when smooth, about 2 for white noise, near 4 when alternating.

        VN = sum_i (y[i+1] - y[i])^2 / sum_i (y[i] - mean y)^2        1 - VN/2 = lag-1 autocorrelation, nearly

    A trend lowers it: pass `detrend(t, y, 1)` to judge what is around the trend (then it is Durbin and Watson's d).

    y [..., K] -> [...], without unit. NaN when the curve is constant up to round-off, or empty.
    Source: J. von Neumann 1941, without its factor K/(K-1); J. Durbin and G. S. Watson 1950.
    """
    y = as_floats(y)
    if y.shape[-1] < 2:
        return undefined(y)
    around = flat_to_zero(y - y.mean(axis=-1, keepdims=True), y)
    squared_steps = (np.diff(y) ** 2).sum(axis=-1)
    return ratio(squared_steps, (around**2).sum(axis=-1))
