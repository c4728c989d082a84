"""Estimates, intervals and tests for a handful of seeds: pure functions of arrays, random only through their Generator.

Runs come in strata, one array per task: an interval says how far the result would move with other seeds on the same
tasks, so runs are redrawn within their task, each task to its own number of runs. Pooled numbers weigh every run alike.
Nothing is ever left out here: a value that is NaN or inf makes its result NaN. A caller who wants to do without a run
must say so. Intervals are 95 % percentile bootstrap intervals; their bounds are NaN where a stratum has fewer than two
values, because one seed says nothing about another.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.compare.model import Estimate
from rl_decay.metrics.arrays import ROUND_OFF, Floats, as_floats, flat_to_zero, undefined

RESAMPLES = 10_000
BOUNDS = (2.5, 97.5)  # percentiles
EXACT_PAIRS = 20  # 2^20 sign patterns are still counted one by one
FLIPS = 100_000  # drawn where there are more pairs
FLIPS_AT_ONCE = 10_000
FEWEST_PAIRS = 6  # 2 / 2^6 = 0.031 is the first two-sided p-value that can be below 0.05
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
    middle = np.sort(x, axis=-1)[..., n // 4 : n - n // 4]
    # NaN sorts last and would be cut off with the best runs.
    return np.where(np.isnan(x).any(axis=-1), np.nan, middle.mean(axis=-1))[()]


def iqm_interval(strata: Sequence[Floats], rng: np.random.Generator, resamples: int = RESAMPLES) -> Estimate:
    """Interquartile mean over all runs of all strata, each [n], with its interval.

    For paired differences this is the paired bootstrap: a redrawn pair brings both of its runs.
    Source: stratified bootstrap, Agarwal et al. 2021.
    """
    strata = [as_floats(values) for values in strata if len(values)]
    if not strata:
        return Estimate(np.nan, np.nan, np.nan)
    drawn = [values[rng.integers(len(values), size=(resamples, len(values)))] for values in strata]
    return _estimate(iqm(np.concatenate(strata)), iqm(np.concatenate(drawn, axis=-1)), strata)


def mean_interval(strata: Sequence[Floats], rng: np.random.Generator, resamples: int = RESAMPLES) -> Profile:
    """Mean over all runs of all strata, each [n, K], with its interval at every one of the K points: three arrays [K].

    A point at which a run is NaN is NaN.
    """
    strata = [as_floats(values) for values in strata if len(values)]
    if not strata:
        raise ValueError("no runs: a mean of nothing has no K")
    runs = np.concatenate(strata)
    counts = np.concatenate([_multiplicities(len(values), rng, resamples) for values in strata], axis=-1)
    # A mean needs only how often each run was drawn: one matrix product instead of copies of whole curves.
    low, high = _bounds(counts @ runs / len(runs), strata)
    return runs.mean(axis=0), low, high


def performance_profile(
    strata: Sequence[Floats], taus: ArrayLike, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Profile:
    """Share of the runs that are above tau, with its interval: strata of [n] values, taus [K] in their unit -> 3 x [K].

    Pointwise, not simultaneous, bounds; NaN everywhere if a value is NaN.
    Source: score distributions of Agarwal et al. 2021.
    """
    taus = np.asarray(taus, dtype=np.float64)
    columns = [as_floats(values)[:, None] for values in strata]
    return mean_interval([np.where(np.isnan(x), np.nan, x > taus) for x in columns], rng, resamples)


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


def improvement_interval(
    x: Sequence[Floats], y: Sequence[Floats], rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Probability of improvement of x over y, averaged over the strata, with its interval.

    Strata [n] and [m] of the same tasks in the same order; the arms are redrawn independently of each other, as in
    rliable. NaN without strata, or if one is empty in either arm.
    """
    tasks = [(as_floats(a), as_floats(b)) for a, b in zip(x, y, strict=True)]
    if not tasks or not all(len(a) and len(b) for a, b in tasks):
        return Estimate(np.nan, np.nan, np.nan)
    draws = np.zeros(resamples)
    for a, b in tasks:
        of_a, of_b = (_multiplicities(len(runs), rng, resamples) for runs in (a, b))
        draws += ((of_a @ _wins(a, b)) * of_b).sum(axis=-1) / (len(a) * len(b))
    value = np.mean([probability_of_improvement(a, b) for a, b in tasks])
    return _estimate(value, draws / len(tasks), [runs for task in tasks for runs in task])


def sign_flip_p(differences: ArrayLike, rng: np.random.Generator, flips: int = FLIPS) -> Any:
    """Two-sided p-value of "the sign of every paired difference is a fair coin", by the mean of the differences.

        share of sign patterns s with |sum_i s_i d_i| >= |sum_i d_i|

    Every pattern up to 20 pairs; above, (1 + count) / (1 + flips) of drawn ones, which can never be 0. Sums that agree
    up to round-off count as equal.

    d [..., n] -> [...], at least 2 / 2^n; 1 where all differences are 0; NaN without pairs or with a NaN. The rows of
    one call share the drawn patterns.
    Source: R. A. Fisher 1935, The Design of Experiments, section 21; the 1 + of B. Phipson and G. Smyth 2010.
    """
    d = as_floats(differences)
    n = d.shape[-1]
    if n == 0:
        return undefined(d)
    # Equal sums differ in their last bits with the order of addition: without slack a tie is decided by round-off.
    bar = np.abs(d.sum(axis=-1)) - 1e-9 * np.abs(d).sum(axis=-1)
    rows, bars = d.reshape(-1, n), np.ravel(bar)
    if n <= EXACT_PAIRS:
        p = np.array([np.mean(np.abs(_signed_sums(row)) >= least) for row, least in zip(rows, bars)])
    else:
        p = (1 + _count_extreme(rows, bars, rng, flips)) / (1 + flips)
    return np.where(np.isnan(bar), np.nan, p.reshape(bar.shape))[()]


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of a family of p-values, which bounds the chance of any false positive in it.

        p~(i) = max_{j <= i} min(1, (m - j) p(j))        p(0) <= p(1) <= ...;  m = size of the family

    p [m] -> [m]. A test that could not be done is NaN, stays NaN, and still counts in m: the family was fixed before.
    Source: S. Holm 1979.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)  # NaN last
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def detectable_effect(differences: ArrayLike) -> Any:
    """The mean difference that a two-sided paired test at 0.05 would have found with power 0.8, given this spread.

        (t[n-1; 0.975] + t[n-1; 0.8]) SD(d) / sqrt(n)        t[v; q] = quantile of Student's t;  SD with n - 1

    For the t-test, which the sign-flip test matches closely; uncorrected for the other tests of its family. It depends
    on the spread and the number of pairs, not on the effect that was found.

    d [..., n] -> [...], in the unit of d. NaN below 6 pairs, where no p-value can be below 0.05, and without spread.
    Source: J. H. Zar, Biostatistical Analysis, minimum detectable difference of the one-sample t-test.
    """
    d = as_floats(differences)
    n = d.shape[-1]
    if n < FEWEST_PAIRS:
        return undefined(d)
    spread = d.std(axis=-1, ddof=1)
    size = (t_quantile(0.975, n - 1) + t_quantile(0.8, n - 1)) * spread / np.sqrt(n)
    return np.where(spread > ROUND_OFF * np.abs(d).max(axis=-1), size, np.nan)[()]


def t_quantile(q: float, freedom: int) -> float:
    """Quantile of Student's t by its expansion in 1 / freedom, to 0.0004 for 5 degrees of freedom and q up to 0.975.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z, v = NormalDist().inv_cdf(q), freedom
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / v**i for i, term in enumerate(terms))


def osc_effect(a: ArrayLike, b: ArrayLike) -> Floats:
    """Relative change of oscillation from b to a: log((a + 0.005) / (b + 0.005)), any shape; exactly 0 where equal.

    A fifth less is -0.22. Oscillations well below 0.005 count as none, which is meant for scores: in raw returns of
    hundreds it is next to nothing, and the effect of a policy that stands still is as large as their unit makes it.
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return np.log((a + OSC_FLOOR) / (b + OSC_FLOOR))


def correlation(x: Sequence[Floats], y: Sequence[Floats]) -> float:
    """Pearson correlation within tasks: strata [n] of x around their means against those of y around theirs.

    Tasks of different level are no correlation. NaN with a NaN, with fewer than two pairs more than there are strata,
    and where x or y has no spread.
    """
    a, b = (np.concatenate([np.empty(0), *(flat_to_zero(v - v.mean(), v) for v in strata)]) for strata in (x, y))
    if a.size < len(x) + 2 or not np.ptp(a) > 0 or not np.ptp(b) > 0:
        return float("nan")
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def _multiplicities(n: int, rng: np.random.Generator, resamples: int) -> Any:
    """How often each of n runs is drawn, [resamples, n]; rows sum to n."""
    cells = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(cells.ravel(), minlength=resamples * n).reshape(resamples, n)


def _wins(x: Floats, y: Floats) -> Floats:
    """1 where x is above y, 1/2 where equal, 0 below, NaN where undefined: [..., n, m]."""
    return (np.sign(x[..., :, None] - y[..., None, :]) + 1) / 2


def _bounds(draws: Floats, strata: Sequence[Floats]) -> Floats:
    """Lower and upper bound [2, ...] from draws [resamples, ...]."""
    if min(map(len, strata)) < 2:
        return np.full((2, *draws.shape[1:]), np.nan)
    return np.percentile(draws, BOUNDS, axis=0)


def _estimate(value: Any, draws: Floats, strata: Sequence[Floats]) -> Estimate:
    return Estimate(float(value), *map(float, _bounds(draws, strata)))


def _signed_sums(d: Floats) -> Floats:
    """All sums of d [n] under sign flips, up to the sign of the whole: [2^(n-1)], which are 4 MB for 20 pairs."""
    sums = d[:1]
    for x in d[1:]:
        sums = np.concatenate([sums + x, sums - x])
    return sums


def _count_extreme(rows: Floats, bars: Floats, rng: np.random.Generator, flips: int) -> Any:
    """For each row of differences [R, n], how many of the drawn sign patterns reach its bar: [R]."""
    count = np.zeros(len(rows))
    for start in range(0, flips, FLIPS_AT_ONCE):
        kept = rng.integers(2, size=(min(FLIPS_AT_ONCE, flips - start), rows.shape[1]), dtype=np.int8)
        # sum_i s_i d_i with s = 2 kept - 1
        count += (np.abs(2 * (kept @ rows.T) - rows.sum(axis=1)) >= bars).sum(axis=0)
    return count
