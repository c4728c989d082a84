"""The residual of a curve around its smooth trend. Conventions as in oscillation.py; t is [K] in env steps."""

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats, as_floats, as_times, flat_to_zero, ratio, undefined

FEWEST_FOR_SPECTRUM = 32


def detrend(t: ArrayLike, y: ArrayLike, degree: int) -> Floats:
    """Residuals of the least-squares polynomial.

        r = y - Q Q'y        Q = orthonormal basis of 1, u, ..., u^degree;  u = t scaled to [-1, 1]

    t [K] strictly increasing, y [..., K] -> [..., K], in the unit of y. Where the polynomial passes through every point
    up to round-off (1e-12 of the largest |y|) the residuals are exactly 0, so that ratios of them are NaN, not noise;
    the same with at most degree + 1 points.
    Errors: ValueError for a degree below 0 or times that do not fit.
    Source: Gram-Schmidt least squares, any text on numerical linear algebra.
    """
    if degree < 0:
        raise ValueError(f"degree must be at least 0, got {degree}")
    y = as_floats(y)
    t = as_times(t, y.shape[-1])
    # So few points lie on the polynomial; the general case below would leave round-off, and divide by 0 for one point.
    if t.size <= degree + 1:
        diverged = np.isnan(y).any(axis=-1, keepdims=True)
        return np.where(diverged, np.nan, np.zeros_like(y))
    u = 2 * (t - t[0]) / (t[-1] - t[0]) - 1  # powers of raw env steps would span 12 decades
    basis, _ = np.linalg.qr(np.vander(u, degree + 1, increasing=True))
    residual = y
    # One column at a time with plain sums: a matrix product rounds one curve differently from many.
    for column in basis.T:
        residual = residual - (residual * column).sum(axis=-1, keepdims=True) * column
    return flat_to_zero(residual, y)


def residual_std(t: ArrayLike, y: ArrayLike, degree: int) -> Floats:
    """Standard deviation of a curve around its smooth trend.

        sqrt(SSE / (K - degree - 1))

    With degree 2 the drift and the bend of a run that is still learning do not count as oscillation; with degree 1 the
    bend does. Unlike measures of single steps it keeps its value when the curve is evaluated more or less often.

    t [K] strictly increasing, y [..., K] -> [...], in the unit of y. NaN with at most degree + 1 points; exactly 0 when
    the curve is the trend up to round-off. Errors: as detrend.
    Source: residual standard error of ordinary least squares, any text on regression.
    """
    residual = detrend(t, y, degree)
    freedom = residual.shape[-1] - degree - 1
    if freedom <= 0:
        return undefined(residual)
    return np.sqrt((residual**2).sum(axis=-1) / freedom)


def high_frequency_share(t: ArrayLike, y: ArrayLike, fraction: float) -> Floats:
    """Share of the power around the linear trend whose period is shorter than `fraction` of the curve's span.

        sum_{|k| > 1/fraction} |F[k]|^2 / sum_{k != 0} |F[k]|^2        F = Fourier transform of detrend(t, y, 1)

    k counts cycles within the K points, negative ones included: for even K the Nyquist bin is there once, all others
    twice.

    t [K] strictly increasing, y [..., K] -> [...], a share without unit. NaN below 32 points, on an uneven grid (steps
    of t that differ by more than 10 %), and when the curve is a line up to round-off.
    Errors: ValueError for fraction outside (0, 1], and as detrend.
    Source: the high-frequency energy in the code of Chan et al. 2020, here detrended and with the Nyquist bin.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction must lie in (0, 1], got {fraction}")
    residual = detrend(t, y, 1)
    points = residual.shape[-1]
    steps = np.diff(np.asarray(t, dtype=np.float64))
    if points < FEWEST_FOR_SPECTRUM or steps.max() > 1.1 * steps.min():
        return undefined(residual)
    power = np.abs(np.fft.rfft(residual, axis=-1)) ** 2
    # rfft leaves out the negative frequencies: the single Nyquist bin counts half of what each other bin stands for.
    if points % 2 == 0:
        power[..., -1] /= 2
    first_fast = int(1 / fraction) + 1
    fast = power[..., first_fast:].sum(axis=-1)
    everything = power[..., 1:].sum(axis=-1)  # without k = 0, the mean
    return ratio(fast, everything)
