"""Whether the value of one key is allowed: its choices and its range, as the schema states them, and its size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rl_decay.errors import UserError, shown

LARGEST_WHOLE = 2**63 - 1
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
FLOAT32_WORDS = "3.4e38, float32's largest number"
WHOLE_KINDS = (int, int | None, list[int])
FLOAT_KINDS = (float, float | None)

About = Mapping[str, Any]  # the metadata of a key, as `schema.walk` yields it


def check_value(key: str, value: Any, about: About) -> None:
    """UserError names a key whose value is no choice, out of its range, or too large for the place that it ends up in.

    The value has the key's type already (`config/values.py`).
    """
    if about["choices"] and value not in about["choices"]:
        raise UserError(f"{key}={shown(value)}: choose one of {', '.join(about['choices'])}")
    numbers = _numbers(value, about)
    if not all(_in_range(number, about) for number in numbers):
        raise UserError(f"{key}={shown(value)}: must be {range_words(about)}")
    # PyTorch and NumPy hold whole numbers in 64 bits, and most other numbers in float32: a larger one is infinite.
    is_whole = about["kind"] in WHOLE_KINDS
    largest = LARGEST_WHOLE if is_whole else LARGEST_FLOAT32
    if any(abs(number) > largest for number in numbers):
        raise UserError(f"{key}={shown(value)}: must be at most {'2^63 - 1' if is_whole else FLOAT32_WORDS}, in size")


def range_words(about: About) -> str:
    """The range of a key in a person's words, such as `a whole number of at least 1; or null`.

    >>> range_words({"kind": float, "above": None, "at_least": 0, "at_most": 1, "unit": "", "null": ""})
    'between 0 and 1'
    """
    kind, at_least = about["kind"], about["at_least"]
    if kind == list[int]:
        return f"a list of whole numbers of at least {at_least}"
    if kind in WHOLE_KINDS:
        words = "a whole number, 0 or more" if at_least == 0 else f"a whole number of at least {at_least}"
    else:
        words = _float_words(about)
    if kind not in (int | None, float | None):
        return words
    return f"{words}; or null {about['null']}".rstrip()


def _float_words(about: About) -> str:
    above, at_least, at_most = about["above"], about["at_least"], about["at_most"]
    if above == -math.inf:  # schema.ANY_FINITE
        return "finite"
    lower = f"{at_least} or more" if above is None else f"more than {above}"
    if at_most is None:
        return f"{lower}, and finite"
    if above is None:
        return f"between {at_least} and {at_most}"
    return f"{lower}, at most {at_most:,} {about['unit']}".rstrip()


def _numbers(value: Any, about: About) -> list[Any]:
    """The numbers that a value holds: the items of a list, and none for null and for keys that are no numbers."""
    if value is None or about["kind"] not in WHOLE_KINDS + FLOAT_KINDS:
        return []
    return value if isinstance(value, list) else [value]


def _in_range(number: Any, about: About) -> bool:
    """Whether a number lies in the range of its key, if that has one. NaN lies in none: it compares as False."""
    above, at_least, at_most = about["above"], about["at_least"], about["at_most"]
    if above is None and at_least is None and at_most is None:
        return True
    if not abs(number) < math.inf:  # not math.isfinite: it fails for a whole number of 400 digits
        return False
    if above is not None and number <= above:
        return False
    if at_least is not None and number < at_least:
        return False
    return at_most is None or number <= at_most
