"""Type checks for values that were read from a file: `kind` is a Python type hint, or a class of this file.

Everything that a stranger's JSON holds goes through `kind_problem` before the product uses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, get_args, get_origin

from rl_decay.errors import one_line

LARGEST = 2**64  # the largest size of a whole number, seeds included: a larger one may fail to become a float
VALUE_WIDTH = 60  # characters of a value in a message

# A kind is bool, int, float (whole or not, but finite), str, None, Any, list[T], dict[str, T], a union of these, a
# tuple of texts to choose from, a `Whole` or a `Fields`.
Kind = Any
WORDS = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text", type(None): "null"}


@dataclass(frozen=True)
class Whole:
    """A whole number of at least `least`; also null if `or_null`."""

    least: int
    or_null: bool = False


@dataclass(frozen=True)
class Fields:
    """A JSON object with `required` keys and perhaps `optional` ones, each of its kind; other keys are ignored."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)


def kind_problem(value: Any, kind: Kind, name: str = "") -> str | None:
    """Why a value is not of the kind, in words that begin with its name; None if it is of the kind.

    Of a list or a dict the first wrong entry is named, with its place: `hidden[1] is 'x', not a whole number`.
    """
    if isinstance(kind, Fields) and isinstance(value, dict):
        return _fields_problem(value, kind, name)
    if get_origin(kind) is list and isinstance(value, list):
        (item_kind,) = get_args(kind)
        places = ((f"{name}[{i}]", item) for i, item in enumerate(value))
    elif get_origin(kind) is dict and isinstance(value, dict):
        _, item_kind = get_args(kind)
        places = ((_joined(name, key), item) for key, item in value.items())
    elif _fits(value, kind):
        return None
    else:
        return f"{name or 'it'} is {one_line(repr(value), VALUE_WIDTH)}, not {words(kind)}"
    for place, item in places:
        problem = kind_problem(item, item_kind, place)
        if problem:
            return problem
    return None


def words(kind: Kind) -> str:
    """A kind in a person's words."""
    if isinstance(kind, Whole):
        return f"a whole number of at least {kind.least}" + (" or null" if kind.or_null else "")
    if isinstance(kind, tuple):
        return f"one of {', '.join(kind)}"
    if isinstance(kind, UnionType):
        return " or ".join(words(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return "a list"
    return "an object" if isinstance(kind, Fields) else WORDS.get(kind, "an object")


def _fields_problem(values: dict[str, Any], kind: Fields, name: str) -> str | None:
    for key in kind.required:
        if key not in values:
            return f"it has no {_joined(name, key)}"
    for key, key_kind in {**kind.required, **kind.optional}.items():
        if key in values:
            problem = kind_problem(values[key], key_kind, _joined(name, key))
            if problem:
                return problem
    return None


def _fits(value: Any, kind: Kind) -> bool:
    # True and False are ints in Python, but no numbers in JSON.
    is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind is Any:
        return True
    if kind is None:
        return value is None
    if kind is int:
        return is_whole
    if kind is float:  # JSON may write 1.0 as 1
        return is_whole or (isinstance(value, float) and math.isfinite(value))
    if isinstance(kind, Whole):
        return kind.or_null if value is None else is_whole and value >= kind.least
    if isinstance(kind, tuple):
        return value in kind
    if isinstance(kind, UnionType):
        return any(kind_problem(value, part) is None for part in get_args(kind))
    return isinstance(kind, type) and isinstance(value, kind)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
