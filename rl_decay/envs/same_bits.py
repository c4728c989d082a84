"""Squares of arrays with the bits that Python's `**` gives single numbers, and a test of such promises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def squared(numbers: np.ndarray) -> np.ndarray:
    """x**2 of float64 numbers [S], as the C library's `pow` computes it for a single one.

    It differs from x*x in the last bit of about one number in a thousand. `**` and np.power of an array multiply, or
    take a vectorised routine that rounds otherwise; np.float_power calls `pow` for each number.
    """
    return np.float_power(numbers, 2.0)


def float32_squared(numbers: np.ndarray) -> np.ndarray:
    """x**2 of float32 numbers [S], as the C library's `powf` computes it for a single one.

    np.power calls `powf` only where it does not vectorise: where its input and its output lie interleaved, and the
    exponents are an array of at least two (for one it multiplies).
    """
    interleaved = np.zeros((max(len(numbers), 2), 2), np.float32)
    interleaved[: len(numbers), 0] = numbers
    exponents = np.full(len(interleaved), 2, np.float32)
    np.power(interleaved[:, 0], exponents, out=interleaved[:, 1])
    return interleaved[: len(numbers), 1]


def arrays_as_numbers(
    function: Callable[[np.ndarray], np.ndarray], original: Callable[..., float], values: np.ndarray
) -> bool:
    """Whether a function of the array of values gives the bits and the type that `original` gives for each value."""
    expected = np.array([original(value) for value in values])
    result = function(values)
    return result.dtype == expected.dtype and bool((result == expected).all())
