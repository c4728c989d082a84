"""How far a curve falls, and the mean of a tail. Conventions as in oscillation.py: the last axis is reduced."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats, as_floats, ratio, undefined


def drawdown(y: ArrayLike) -> Floats:
    """Loss against the best score so far.

        DD[k] = max_{j <= k} y[j] - y[k] >= 0

    y [..., K] -> [..., K], in the unit of y. NaN from the first NaN or inf on.
    It grows with the number of noisy evaluations, since the maximum collects lucky ones: evaluate on fixed seeds.
    Source: Chan et al. 2020 (arXiv:1912.05663), long-term risk, with the sign of their code.
    """
    y = as_floats(y)
    return np.maximum.accumulate(y, axis=-1) - y


def max_drawdown(y: ArrayLike) -> Floats:
    """Deepest fall below the best score so far, max_k DD[k]: y [..., K] -> [...], in the unit of y. NaN without points.

    Source: Chan et al. 2020, as drawdown.
    """
    losses = drawdown(y)
    return losses.max(axis=-1) if losses.shape[-1] else undefined(losses)


def cvar(x: ArrayLike, alpha: float, tail: Literal["lower", "upper"]) -> Floats:
    """Mean of the worst share alpha of the values (conditional value at risk, expected shortfall).

        CVaR = sum_i w[i] x(i) / (alpha n)        w[i] = clip(alpha n - i, 0, 1), i = 0 ... n-1

    x(i) are the values in ascending order for the lower tail, in descending order for the upper. The value on the
    border enters with the part of it that belongs to the tail: exact under ties, where "mean of all values up to the
    percentile" takes either too many or none.

    x [..., n] -> [...], in the unit of x. NaN without values or with any that is NaN or inf.
    Errors: ValueError for alpha outside (0, 1] and for an unknown tail.
    Source: R. T. Rockafellar and S. Uryasev 2002, proposition 8.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must lie in (0, 1], got {alpha}")
    if tail not in ("lower", "upper"):
        raise ValueError(f"tail must be 'lower' or 'upper', got {tail!r}")
    x = as_floats(x)
    count = x.shape[-1]
    if count == 0:
        return undefined(x)
    sign = 1.0 if tail == "lower" else -1.0
    weight = np.clip(alpha * count - np.arange(count), 0, 1)
    # NaN sorts last, and NaN * 0 is NaN: it reaches the result whatever its weight.
    ascending = np.sort(sign * x, axis=-1)
    total = (ascending * weight).sum(axis=-1)
    return sign * total / (alpha * count) + 0.0  # no -0.0


def retention(y: ArrayLike, width: int) -> Floats:
    """The level at the end over the best level that a run ever held; below 0.5 is a collapse.

        mean(y[K-width:]) / max_k mean(y[k-width+1 : k+1])        scores below 0 count as 0

    y [..., K], normalised scores (0 = random policy) -> [...] in [0, 1]. The ratio means nothing for signed returns,
    hence the floor: a curve that never rises above 0 gives NaN. NaN also below `width` points.
    Errors: ValueError for width below 1.
    Source: this project.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1 point, got {width}")
    y = np.maximum(as_floats(y), 0)
    if y.shape[-1] < width:
        return undefined(y)
    windows = np.lib.stride_tricks.sliding_window_view(y, width, axis=-1)
    # The overlapping view is copied: a reduction over it may add in another order for one curve than for many.
    levels = np.ascontiguousarray(windows).mean(axis=-1)
    return ratio(levels[..., -1], levels.max(axis=-1))
