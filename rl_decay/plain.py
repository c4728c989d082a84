"""Scalars of NumPy and PyTorch as Python numbers and bools; neither library is imported."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """The Python value of a NumPy scalar, or of an array or tensor without dimensions; anything else unchanged."""
    if getattr(value, "ndim", None) != 0 or not hasattr(value, "item"):
        return value
    try:
        return value.item()
    except RuntimeError:  # a tensor on the device `meta` has no value
        return value


def whole_number(value: Any) -> int | None:
    """A whole number as an int; None for anything else, floats and truth values included.

    >>> whole_number(3), whole_number(3.0), whole_number(True), whole_number("3")
    (3, None, None, None)
    """
    value = plain(value)
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """A number as a float; None for anything else, truth values and whole numbers beyond a float's range included.

    >>> number(3), number(True), number("3"), number(10**400)
    (3.0, None, None, None)
    """
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def truth(value: Any) -> bool | None:
    """A truth value as a bool; None for anything else, 0 and 1 included.

    >>> truth(True), truth(1)
    (True, None)
    """
    value = plain(value)
    return value if isinstance(value, bool) else None
