"""The kinds of values in files, as Python's own type hints, and the words for a value that is of another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, get_args, get_origin

from rl_decay.errors import one_line

LARGEST = 2**64  # of whole numbers, seeds included; larger ones cannot even become a float everywhere

# bool, int, float (whole or not, but finite), str, None, Any, list[T], dict[str, T], unions of these, a tuple of texts
# to choose from, `Whole` or `Fields`
Kind = Any


@dataclass(frozen=True)
class Whole:
    """A whole number of at least `least`, or null where that is allowed."""

    least: int
    or_null: bool = False


@dataclass(frozen=True)
class Fields:
    """An object of JSON: the keys that it must have and those that it may have, with their kinds; others are free."""

    required: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)


def misfit(value: Any, kind: Kind, name: str = "") -> str | None:
    """What is wrong with a value, in words that begin with its name; None where it is of the kind."""
    if isinstance(kind, Fields) and isinstance(value, dict):
        return _misfit_of_fields(value, kind, name)
    if get_origin(kind) is list and isinstance(value, list):
        inner = ((item, get_args(kind)[0], f"{name}[{i}]") for i, item in enumerate(value))
    elif get_origin(kind) is dict and isinstance(value, dict):
        inner = ((item, get_args(kind)[1], _joined(name, key)) for key, item in value.items())
    elif _fits(value, kind):
        return None
    else:
        return f"{name or 'it'} is {one_line(repr(value), 60)}, not {words(kind)}"
    for part in inner:
        if problem := misfit(*part):
            return problem
    return None


def words(kind: Kind) -> str:
    """A kind in a person's words."""
    if isinstance(kind, Whole):
        return f"a whole number of at least {kind.least}" + " or null" * kind.or_null
    if isinstance(kind, tuple):
        return f"one of {', '.join(kind)}"
    if isinstance(kind, UnionType):
        return " or ".join(words(part) for part in get_args(kind))
    if isinstance(kind, Fields):
        return "an object"
    names = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text", type(None): "null"}
    return names.get(kind) or ("a list" if get_origin(kind) is list else "an object")


def _misfit_of_fields(values: dict[str, Any], kind: Fields, name: str) -> str | None:
    for key in kind.required:
        if key not in values:
            return f"it has no {_joined(name, key)}"
    for key, wanted in {**kind.required, **kind.optional}.items():
        if key in values and (problem := misfit(values[key], wanted, _joined(name, key))):
            return problem
    return None


def _fits(value: Any, kind: Kind) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if kind is Any or kind is None:
        return kind is Any or value is None
    if kind is int:
        return whole
    if kind is float:
        return whole or (isinstance(value, float) and math.isfinite(value))
    if isinstance(kind, Whole):
        return kind.or_null if value is None else whole and value >= kind.least
    if isinstance(kind, tuple):
        return value in kind
    if isinstance(kind, UnionType):
        return any(misfit(value, part) is None for part in get_args(kind))
    return isinstance(kind, type) and isinstance(value, kind)


def _joined(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key
