"""The remaining time of a run, in seconds and in words."""

from __future__ import annotations

from itertools import pairwise

YEAR = 365.25 * 24 * 3600  # seconds
UNITS = (("days", 24 * 3600), ("h", 3600), ("min", 60), ("s", 1))


def remaining(elapsed: float, trained: int, iterations: int) -> float:
    """Seconds until `iterations` more are done, at the speed of the `trained` iterations in `elapsed` seconds."""
    return elapsed / trained * iterations


def in_words(seconds: float) -> str:
    """Seconds for a person.

    >>> [in_words(s) for s in (0.4, 59, 75, 12_000, 180_000)]
    ['0 s', '59 s', '1 min 15 s', '3 h 20 min', '2 days 2 h']
    >>> [in_words(1.5 * YEAR), in_words(1e6 * YEAR)]
    ['1.5 years', '1,000,000 years']
    """
    if seconds >= YEAR:
        years = seconds / YEAR
        return f"{years:,.0f} years" if years >= 100 else f"{years:.1f} years"
    for (name, size), (smaller, small_size) in pairwise(UNITS):
        if seconds >= size:
            return f"{seconds // size:.0f} {name} {seconds % size // small_size:.0f} {smaller}"
    return f"{seconds:.0f} s"
