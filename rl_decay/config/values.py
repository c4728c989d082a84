"""From a configuration that Python code filled in to plain values: dicts become sections, NumPy's numbers Python's."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin

from rl_decay.config.schema import Config
from rl_decay.errors import UserError, one_line, shown
from rl_decay.plain import number, plain, truth, whole_number


def plain_config(given: Any) -> Config:
    """A copy of a configuration in the types of the schema; the given one stays unchanged.

    NumPy's and PyTorch's scalars become Python's, whole numbers become floats if the key is a float, tuples and flat
    arrays become lists, paths become text. A dict may stand for a section: its keys replace the section's defaults.
    So the same values have the same fingerprint in every form.
    UserError names a key that does not exist, and a value of another type.
    """
    if not isinstance(given, Config):
        raise UserError(f"a configuration must be an rl_decay.Config, got {shown(given, repr)}")
    return _section(given, Config(), "")


def _section(given: Any, default: Any, prefix: str) -> Any:
    """One section, its inner sections included; `prefix` is its dotted name and a dot."""
    section_class = type(default)
    values = {f.name: getattr(default, f.name) for f in fields(section_class)}
    if isinstance(given, section_class):
        values = {name: getattr(given, name) for name in values}
    elif isinstance(given, Mapping):
        _refuse_unknown(given, values, prefix)
        values |= given
    else:
        form = f"{section_class.__name__}(...)"
        raise UserError(f"{prefix[:-1]}={shown(given, repr)}: must be {form}, or a dict of its keys")
    for f in fields(section_class):
        key = f"{prefix}{f.name}"
        inner_default = getattr(default, f.name)
        if is_dataclass(inner_default):
            values[f.name] = _section(values[f.name], inner_default, f"{key}.")
        else:
            values[f.name] = _leaf(key, f.type, values[f.name])
    return section_class(**values)


def _refuse_unknown(given: Mapping[Any, Any], section: Mapping[str, Any], prefix: str) -> None:
    for name in given:
        if name not in section:
            near = difflib.get_close_matches(str(name), section, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"its section has {', '.join(section)}"
            raise UserError(f"{prefix}{one_line(name)}: no such key; {hint}")


def _leaf(key: str, kind: Any, value: Any) -> Any:
    """A value as the type `kind` of its key, `int` or `float | None` for example; UserError for any other type."""
    is_optional = NoneType in get_args(kind)
    if is_optional:
        if value is None:
            return None
        kind = next(part for part in get_args(kind) if part is not NoneType)
    convert, words = CONVERSIONS.get(kind) or CONVERSIONS[get_origin(kind) or kind]
    converted = convert(value)
    if converted is None:
        raise UserError(f"{key}={shown(value, repr)}: must be {words}{'; or null' if is_optional else ''}")
    return converted


def _text(value: Any) -> str | None:
    value = plain(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    # str.__str__, because a subclass may print more: an enum of texts its own name
    return str.__str__(value) if isinstance(value, str) else None


def _whole_numbers(value: Any) -> list[int] | None:
    if getattr(value, "ndim", 0) == 1 and hasattr(value, "tolist"):  # an array or a tensor, without importing either
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):  # a text is a sequence too, of letters
        return None
    numbers = []
    for item in value:
        width = whole_number(item)
        if width is None:
            return None
        numbers.append(width)
    return numbers


def _arguments(value: Any) -> dict[str, Any] | None:
    """Arguments of a task's constructor; None unless every dict in them, at every depth, has texts as names."""
    try:
        return _nested(value) if isinstance(value, Mapping) else None
    except (TypeError, RecursionError):  # RecursionError: a dict that holds itself
        return None


def _items(value: Any) -> list[Any] | None:
    """Wrappers of a task; None unless it is a list whose dicts, at every depth, have texts as names."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return None
    try:
        return _nested(list(value))
    except (TypeError, RecursionError):
        return None


def _nested(value: Any) -> Any:
    """A value in JSON's types as far as these reach; `check` refuses the rest, which is handed on unchanged."""
    value = plain(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a name that is no text")
        return {_text(name): _nested(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nested(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # without the subclass, an enum for example
    return _text(value) if isinstance(value, str) else value


# By the type of a key: the conversion, which returns None for any other type, and the type in a person's words.
CONVERSIONS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (truth, "true or false"),
    int: (whole_number, "a whole number"),
    float: (number, "a number"),
    str: (_text, "text"),
    list[Any]: (_items, "a list of import paths, or of dicts with `wrapper` and its arguments"),
    list: (_whole_numbers, "a list of whole numbers"),
    dict: (_arguments, "a dict of plain values, each with a name"),
}
