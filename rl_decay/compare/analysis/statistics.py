"""Estimates, intervals and tests for a handful of seeds: pure functions of arrays, random only through their Generator.

Runs come in strata, one array per task: an interval says how far the result would move with other seeds on the same
tasks, so runs are redrawn within their task, each task to its own number of runs. Pooled numbers weigh every run alike.
Nothing is left out here: a value that is NaN or inf makes its result NaN; to leave a run out, do not pass it. Intervals
are 95 % percentile bootstrap intervals; their bounds are NaN where a stratum has fewer than two values, because one
seed says nothing about another.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.compare.model import Estimate
from rl_decay.metrics.arrays import ROUND_OFF, Floats, as_floats, flat_to_zero, undefined

RESAMPLES = 10_000  # of every bootstrap
BOUNDS = (2.5, 97.5)  # percentiles
EXACT_PAIRS = 20  # 2^20 sign patterns are still counted one by one
FLIPS = 100_000  # drawn if there are more pairs
FLIPS_AT_ONCE = 10_000  # bounds the memory of a draw
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


def sign_flip_p(differences: ArrayLike, rng: np.random.Generator) -> Any:
    """Two-sided p-value of "the sign of every paired difference is a fair coin", by the mean of the differences.

        share of sign patterns s with |sum_i s_i d_i| >= |sum_i d_i|

    Every pattern up to 20 pairs; above, (1 + count) / (1 + FLIPS) of drawn ones, which can never be 0. Sums that agree
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
    slack = 1e-9 * np.abs(d).sum(axis=-1)
    bar = np.abs(d.sum(axis=-1)) - slack
    rows = d.reshape(-1, n)
    bars = np.ravel(bar)
    if n <= EXACT_PAIRS:
        p = np.empty(len(rows))
        for i, row in enumerate(rows):
            p[i] = np.mean(np.abs(_signed_sums(row)) >= bars[i])
    else:
        # The observed pattern is one of those that could have been drawn: it is the 1 on either side.
        p = (1 + _count_extreme(rows, bars, rng)) / (1 + FLIPS)
    return np.where(np.isnan(bar), np.nan, p.reshape(bar.shape))[()]


def holm(p: ArrayLike) -> Floats:
    """Holm's step-down adjustment of a family of p-values, which bounds the chance of any false positive in it.

        p~(i) = max_{j <= i} min(1, (m - j) p(j))        p(0) <= p(1) <= ...;  m = size of the family

    p [m] -> [m]. A test that could not be done is NaN, stays NaN, and still counts in m: the family was fixed before.
    Source: S. Holm 1979.
    """
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p)  # NaN last
    remaining = np.arange(len(p), 0, -1)  # m - j: the hypotheses that are not rejected yet
    # The running maximum keeps the order of the p-values: a factor m - j that falls could reverse it.
    ascending = np.maximum.accumulate(p[order] * remaining)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, ascending)
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
    quantiles = t_quantile(0.975, n - 1) + t_quantile(0.8, n - 1)
    size = quantiles * spread / np.sqrt(n)
    # Equal differences have no spread but round-off, from which the tiniest effect would seem detectable.
    has_spread = spread > ROUND_OFF * np.abs(d).max(axis=-1)
    return np.where(has_spread, size, np.nan)[()]


def t_quantile(q: float, freedom: int) -> float:
    """Quantile of Student's t by its expansion in 1 / freedom, to 0.0004 for 5 degrees of freedom and q up to 0.975.

    Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf(q)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return sum(term / freedom**i for i, term in enumerate(terms))


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


def _signed_sums(d: Floats) -> Floats:
    """All sums of d [n] under sign flips, up to the sign of the whole: [2^(n-1)], which are 4 MB for 20 pairs."""
    sums = d[:1]  # its sign is fixed: flipping all signs changes no absolute value
    for x in d[1:]:
        sums = np.concatenate([sums + x, sums - x])
    return sums


def _count_extreme(rows: Floats, bars: Floats, rng: np.random.Generator) -> Any:
    """For each row of differences [R, n], how many of the drawn sign patterns reach its bar: [R]."""
    count = np.zeros(len(rows))
    for start in range(0, FLIPS, FLIPS_AT_ONCE):
        patterns = min(FLIPS_AT_ONCE, FLIPS - start)
        kept = rng.integers(2, size=(patterns, rows.shape[1]), dtype=np.int8)
        # sum_i s_i d_i with s = 2 kept - 1
        sums = 2 * (kept @ rows.T) - rows.sum(axis=1)
        count += (np.abs(sums) >= bars).sum(axis=0)
    return count
