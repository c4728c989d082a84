"""Plain values for a configuration that Python code filled in: with dicts for sections, or numbers of NumPy."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from rl_decay.config.schema import Config
from rl_decay.errors import UserError, one_line, shown
from rl_decay.plain import number, plain, truth, whole_number


def plain_config(given: Any) -> Config:
    """A copy of a configuration in the types of the schema; the given one stays as it is.

    NumPy's and PyTorch's scalars become Python's, whole numbers become floats where a float is meant, tuples and flat
    arrays lists, paths text. A dict may stand for a section: its keys replace the section's defaults. The fingerprint
    is therefore the same however the values were given.
    UserError names a key that does not exist, and a value of another type.
    """
    if not isinstance(given, Config):
        raise UserError(f"a configuration must be an rl_decay.Config, got {shown(given, repr)}")
    return _section(given, Config(), "")


def _section(given: Any, default: Any, prefix: str) -> Any:
    kind = type(default)
    values = {f.name: getattr(default, f.name) for f in fields(kind)}
    if isinstance(given, kind):
        values = {name: getattr(given, name) for name in values}
    elif isinstance(given, Mapping):
        _refuse_unknown(given, values, prefix)
        values |= given
    else:
        raise UserError(f"{prefix[:-1]}={shown(given, repr)}: must be {kind.__name__}(...), or a dict of its keys")
    for name, value in values.items():
        section = getattr(default, name)
        if is_dataclass(section):
            values[name] = _section(value, section, f"{prefix}{name}.")
        else:
            values[name] = _leaf(f"{prefix}{name}", _types(kind)[name], value)
    return kind(**values)


def _refuse_unknown(given: Mapping[Any, Any], known: Mapping[str, Any], prefix: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"its section has {', '.join(known)}"
            raise UserError(f"{prefix}{one_line(name)}: no such key; {hint}")


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _leaf(key: str, annotation: Any, value: Any) -> Any:
    options = [kind for kind in get_args(annotation) if kind is not NoneType]
    optional = NoneType in get_args(annotation)
    if optional and value is None:
        return None
    kind = options[0] if optional else annotation
    convert, words = KINDS[get_origin(kind) or kind]
    converted = convert(value)
    if converted is None:
        raise UserError(f"{key}={shown(value, repr)}: must be {words}{'; or null' if optional else ''}")
    return converted


def _text(value: Any) -> str | None:
    value = plain(value)
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return str.__str__(value) if isinstance(value, str) else None  # of a subclass, an enum for example, its text alone


def _whole_numbers(value: Any) -> list[int] | None:
    if getattr(value, "ndim", 0) == 1 and hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        return None
    numbers = [whole_number(item) for item in value]
    return None if None in numbers else numbers  # type: ignore[return-value]


def _arguments(value: Any) -> dict[str, Any] | None:
    """Arguments of a task's constructor; None unless they are named by text, at every depth."""
    try:
        return _nested(value) if isinstance(value, Mapping) else None
    except (TypeError, RecursionError):
        return None


def _nested(value: Any) -> Any:
    """A value in JSON's types; what these do not cover stays for the rules of `check` to refuse."""
    value = plain(value)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a name that is no text")
        return {_text(name): _nested(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nested(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)  # an enum's number alone
    return _text(value) if isinstance(value, str) else value


KINDS: dict[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (truth, "true or false"),
    int: (whole_number, "a whole number"),
    float: (number, "a number"),
    str: (_text, "text"),
    list: (_whole_numbers, "a list of whole numbers"),
    dict: (_arguments, "a dict of plain values, each with a name"),
}
