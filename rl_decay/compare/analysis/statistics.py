"""Estimates and intervals for a handful of seeds: pure functions of arrays, random only through their Generator.

Runs come in strata, one array per task: an interval says how far the result would move with other seeds on the same
tasks, so runs are redrawn within their task, each task to its own number of runs. Pooled numbers weigh every run alike.
Nothing is left out here: a value that is NaN or inf makes its result NaN; to leave a run out, do not pass it. Intervals
are 95 % percentile bootstrap intervals; their bounds are NaN where a stratum has fewer than two values, because one
seed says nothing about another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.compare.model import Estimate
from rl_decay.metrics.arrays import Floats, as_floats, flat_to_zero, undefined

RESAMPLES = 10_000  # of every bootstrap
BOUNDS = (2.5, 97.5)  # percentiles
OSC_FLOOR = 0.005  # score; keeps a frozen policy, whose oscillation is 0, on the logarithmic scale

Profile = tuple[Floats, Floats, Floats]  # estimate, lower and upper bound, all [K]


def iqm(x: ArrayLike) -> Any:
    """Interquartile mean: the mean of the middle half, a quarter of the values cut off at either end.

        mean(x(c), ..., x(n-c-1))        x(i) ascending;  c = floor(n / 4), without fractional weights

    x [..., n] -> [...], in its unit; the plain mean below 4 values, NaN without values or with a NaN.
    Source: Agarwal et al. 2021 (arXiv:2108.13264); scipy.stats.trim_mean(x, 0.25).
    """
    x = as_floats(x)
    n = x.shape[-1]
    if n == 0:
        return undefined(x)
    cut = n // 4
    middle = np.sort(x, axis=-1)[..., cut : n - cut]
    # NaN sorts last and would be cut off with the best runs.
    has_nan = np.isnan(x).any(axis=-1)
    return np.where(has_nan, np.nan, middle.mean(axis=-1))[()]


def iqm_interval(strata: Sequence[Floats], rng: np.random.Generator) -> Estimate:
    """Interquartile mean over all runs of all strata, each [n], with its interval.

    For paired differences this is the paired bootstrap: a redrawn pair brings both of its runs.
    Source: stratified bootstrap, Agarwal et al. 2021.
    """
    strata = [as_floats(values) for values in strata if len(values)]
    if not strata:
        return Estimate(np.nan, np.nan, np.nan)
    drawn = [_redrawn(values, rng) for values in strata]
    draws = iqm(np.concatenate(drawn, axis=-1))
    return _estimate(iqm(np.concatenate(strata)), draws, strata)


def mean_interval(strata: Sequence[Floats], rng: np.random.Generator) -> Profile:
    """Mean over all runs of all strata, each [n, K], with its interval at every one of the K points: three arrays [K].

    A point at which a run is NaN is NaN.
    """
    strata = [as_floats(values) for values in strata if len(values)]
    if not strata:
        raise ValueError("no runs: a mean of nothing has no K")
    runs = np.concatenate(strata)
    counts = np.concatenate([_multiplicities(len(values), rng) for values in strata], axis=-1)
    # A mean needs only how often each run was drawn: one matrix product instead of copies of whole curves.
    draws = counts @ runs / len(runs)
    low, high = _bounds(draws, strata)
    return runs.mean(axis=0), low, high


def performance_profile(strata: Sequence[Floats], taus: ArrayLike, rng: np.random.Generator) -> Profile:
    """Share of the runs that are above tau, with its interval: strata of [n] values, taus [K] in their unit -> 3 x [K].

    Pointwise, not simultaneous, bounds; NaN everywhere if a value is NaN.
    Source: score distributions of Agarwal et al. 2021.
    """
    return mean_interval([shares_above(values, taus) for values in strata], rng)


def shares_above(values: Floats, taus: ArrayLike) -> np.ndarray:
    """1 where a run of `values` [n] is above tau [K], else 0 -> [n, K]; NaN for a run of NaN."""
    column = as_floats(values)[:, None]
    # NaN > tau is False, without a warning: a run of NaN would count as below every level.
    return np.where(np.isnan(column), np.nan, column > np.asarray(taus, dtype=np.float64))


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> Any:
    """Chance that a run of x is above a run of y, over all pairs of runs, ties half.

        mean_ij [x_i > y_j] + [x_i = y_j] / 2        the Mann-Whitney U / (n m)

    x [..., n], y [..., m] of one task -> [...], a share. NaN with a NaN or without runs.
    Source: Agarwal et al. 2021.
    """
    x, y = as_floats(x), as_floats(y)
    if 0 in (x.shape[-1], y.shape[-1]):
        return undefined(x)
    return _wins(x, y).mean(axis=(-2, -1))[()]


def improvement_interval(x: Sequence[Floats], y: Sequence[Floats], rng: np.random.Generator) -> Estimate:
    """Probability of improvement of x over y, averaged over the strata, with its interval.

    Strata [n] and [m] of the same tasks in the same order; the arms are redrawn independently of each other, as in
    rliable. NaN without strata, or if one is empty in either arm.
    """
    tasks = [(as_floats(a), as_floats(b)) for a, b in zip(x, y, strict=True)]
    if not tasks or not all(len(a) and len(b) for a, b in tasks):
        return Estimate(np.nan, np.nan, np.nan)
    draws = np.zeros(RESAMPLES)
    values = []
    for a, b in tasks:
        counts_a = _multiplicities(len(a), rng)
        counts_b = _multiplicities(len(b), rng)
        # sum_ij counts_a[i] wins[i, j] counts_b[j], for every resample
        wins = ((counts_a @ _wins(a, b)) * counts_b).sum(axis=-1)
        draws += wins / (len(a) * len(b))
        values.append(probability_of_improvement(a, b))
    return _estimate(np.mean(values), draws / len(tasks), [*x, *y])


def osc_effect(a: ArrayLike, b: ArrayLike) -> Floats:
    """Relative change of oscillation from b to a: log((a + 0.005) / (b + 0.005)), any shape; exactly 0 where equal.

    A fifth less is -0.22. Oscillations well below 0.005 count as none, which is meant for scores: in raw returns of
    hundreds it is next to nothing, and the effect of a policy that stands still is as large as their unit makes it.
    """
    a = np.asarray(a, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    return np.log((a + OSC_FLOOR) / (b + OSC_FLOOR))


def correlation(x: Sequence[Floats], y: Sequence[Floats]) -> float:
    """Pearson correlation within tasks: strata [n] of x around their means against those of y around theirs.

    Tasks of different level are no correlation. NaN with a NaN, with fewer than two pairs more than there are strata,
    and where x or y has no spread.
    """
    a = _around_means(x)
    b = _around_means(y)
    # Each stratum spends one degree of freedom on its mean. A comparison with NaN is False: NaN ends here too.
    if a.size < len(x) + 2 or not np.ptp(a) > 0 or not np.ptp(b) > 0:
        return float("nan")
    squares = (a**2).sum() * (b**2).sum()
    return float((a * b).sum() / np.sqrt(squares))


def _around_means(strata: Sequence[Floats]) -> Floats:
    """The deviations of all values from the mean of their stratum, in one array; round-off counts as 0."""
    deviations = [flat_to_zero(values - values.mean(), values) for values in strata]
    return np.concatenate([np.empty(0), *deviations])  # NumPy refuses to concatenate nothing


def _redrawn(values: Floats, rng: np.random.Generator) -> Floats:
    """As many of the values [n] as there are, drawn with replacement, [RESAMPLES, n]."""
    # The indices have no name, so that their memory is free again for the next draw; kept, a report took 10 % longer.
    return values[rng.integers(len(values), size=(RESAMPLES, len(values)))]


def _multiplicities(n: int, rng: np.random.Generator) -> Any:
    """How often each of n runs is drawn, [RESAMPLES, n]; rows sum to n."""
    # One count over all resamples is fast: shift each resample's numbers into a range of their own. In one expression,
    # as in _redrawn: the memory of the draws is reused.
    cells = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    return np.bincount(cells.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n)


def _wins(x: Floats, y: Floats) -> Floats:
    """1 where x is above y, 1/2 where equal, 0 below, NaN where undefined: [..., n, m]."""
    differences = x[..., :, None] - y[..., None, :]
    return (np.sign(differences) + 1) / 2


def _bounds(draws: Floats, strata: Sequence[Floats]) -> Floats:
    """Lower and upper bound [2, ...] from draws [RESAMPLES, ...]."""
    if min(map(len, strata)) < 2:
        return np.full((2, *draws.shape[1:]), np.nan)
    return np.percentile(draws, BOUNDS, axis=0)


def _estimate(value: Any, draws: Floats, strata: Sequence[Floats]) -> Estimate:
    low, high = _bounds(draws, strata)
    return Estimate(float(value), float(low), float(high))
