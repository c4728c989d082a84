"""The reliability measures of Chan et al. 2020, "Measuring the Reliability of RL Algorithms" (arXiv:1912.05663).

For comparison with the literature; the endpoints of this project are in late.py. Conventions as in oscillation.py.
Where the published code departs from its paper, or fails, this module does the following instead:

- long-term risk averages the LARGEST drawdowns. The published default averages the smallest, which is 0 for a perfect
  run and for a collapsed one alike;
- tails are fractional (`cvar`). The published percentile rule is empty, or diluted, where scores are tied, as they are
  at the ceiling of CartPole;
- nothing is divided by the range of the very curve under test, a divisor that can be 0, or negative;
- curves are not smoothed before runs are compared: the published low-pass filter changes even a constant.

Two limits are the measures' own: the interquartile range is 0 for a rare collapse, and differences depend on how often
the curve is evaluated.
"""

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats, as_floats, as_times, undefined
from rl_decay.metrics.risk import cvar, drawdown


def differences(t: ArrayLike, y: ArrayLike, h: float) -> Floats:
    """Change of a curve per h env steps: the paper's detrending.

        d[i] = h (y[i+1] - y[i]) / (t[i+1] - t[i])

    t [K] env steps, y [..., K] -> [..., K-1], in the unit of y. A common h is 1 % of the training.
    Errors: ValueError unless t strictly increases.
    """
    y = as_floats(y)
    return h * np.diff(y) / np.diff(as_times(t, y.shape[-1]))


def interquartile_range(x: ArrayLike) -> Floats:
    """Distance between the quartiles (linear interpolation) of x [..., n] -> [...], in its unit; NaN without values."""
    x = as_floats(x)
    if x.shape[-1] == 0:
        return undefined(x)
    lower, upper = np.percentile(x, [25, 75], axis=-1)
    return upper - lower


def dispersion_across_time(t: ArrayLike, y: ArrayLike, h: float) -> Floats:
    """Interquartile range of the differences of one run (the paper's DT).

    t [K], y [..., K], h in env steps -> [...], in the unit of y per h. NaN below two points. Errors: as differences.
    """
    return interquartile_range(differences(t, y, h))


def short_term_risk(t: ArrayLike, y: ArrayLike, h: float, alpha: float = 0.05) -> Floats:
    """Mean of the most negative share alpha of the differences of one run (the paper's SRT); lower is worse.

    t [K], y [..., K], h in env steps -> [...], in the unit of y per h. NaN below two points.
    Errors: as differences and cvar.
    """
    return cvar(differences(t, y, h), alpha, "lower")


def long_term_risk(y: ArrayLike, alpha: float = 0.05) -> Floats:
    """Mean of the largest share alpha of the drawdowns of one run (the paper's LRT); higher is worse.

    y [..., K] -> [...], in the unit of y. NaN without points. Errors: as cvar.
    """
    return cvar(drawdown(y), alpha, "upper")


def dispersion_across_runs(y: ArrayLike) -> Floats:
    """Interquartile range over runs (the paper's DR).

    y [..., R] -> [...], in the unit of y. The LAST axis holds the runs: for curves [R, K] pass `curves.T` to get [K].
    NaN without runs. A run that diverged makes its points NaN rather than dropping out: leaving the worst runs out
    flatters an arm.
    """
    return interquartile_range(y)


def risk_across_runs(y: ArrayLike, alpha: float = 0.05) -> Floats:
    """Mean of the lowest share alpha of the runs (the paper's RR); lower is worse.

    y [..., R]: runs last, as in dispersion_across_runs -> [...], in the unit of y. Errors: as cvar.
    """
    return cvar(y, alpha, "lower")
