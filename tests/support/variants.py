"""Parametrisations of which the fast suite keeps a handful; the marker `thorough` has the rest."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest


def keeping(fast: Collection[str], cases: Mapping[str, Any]) -> list[Any]:
    """The cases as parameters with their names as ids; those that are not named in `fast` are thorough."""
    assert set(fast) <= cases.keys()
    return [_parameter(value, name in fast, name) for name, value in cases.items()]


def every(step: int, values: Iterable[Any], ids: Iterable[str] | None = None) -> list[Any]:
    """The values as parameters; the first one of each `step` is fast, the others are thorough. A tuple is spread."""
    values = list(values)
    names = list(ids) if ids is not None else [None] * len(values)
    return [_parameter(value, i % step == 0, names[i]) for i, value in enumerate(values)]


def thorough(*values: Any, id: str | None = None) -> Any:
    """One set of parameters that the fast suite leaves out."""
    return _parameter(values, False, id)


def _parameter(value: Any, fast: bool, name: str | None) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, id=name, marks=() if fast else pytest.mark.thorough)
