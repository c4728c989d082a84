"""Tests of paired differences for a handful of seeds: p-values, their correction, and what could have been found.

Nothing is left out here: a difference that is NaN makes its result NaN.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import ROUND_OFF, Floats, as_floats, undefined

EXACT_PAIRS = 20  # 2^20 sign patterns are still counted one by one
FLIPS = 100_000  # drawn if there are more pairs
FLIPS_AT_ONCE = 10_000  # bounds the memory of a draw
FEWEST_PAIRS = 6  # 2 / 2^6 = 0.031 is the first two-sided p-value that can be below 0.05


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
