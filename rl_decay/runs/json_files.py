"""The one reader of JSON files: for any bytes it returns a value of the requested kind or raises UserError.

Python's own reader accepts NaN, repeated keys, other encodings and lone surrogates. On deep nesting it raises a
RecursionError; a value just below that limit would raise it later, in the code that walks through the value.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from rl_decay.config.kinds import Kind, kind_problem
from rl_decay.errors import UserError, one_line
from rl_decay.runs import files

MAX_NESTING = 32  # levels
MAX_DIGITS = 1000  # of a whole number


def read_json(path: Path, kind: Kind, longest: int, way_out: str = "") -> Any:
    """The content of a JSON file in UTF-8 of at most `longest` bytes, if it is of a kind (config/kinds.py).

    UserError, which names the file and the problem. `way_out` is added if the content is damaged, but not if the file
    cannot be opened: the file itself may be intact.
    """
    data = files.read(path, longest)
    try:
        content = json.loads(
            data.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite_number,
            parse_int=_whole_number,
            object_pairs_hook=_object,
        )
        _check_depth_and_text(content)
        problem = kind_problem(content, kind)
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:  # of json, of decode and of the functions below
        problem = one_line(error)
    if problem:
        raise UserError(f"{path}: cannot be read ({problem}){way_out}")
    return content


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _whole_number(text: str) -> int:
    if len(text) > MAX_DIGITS:  # Python refuses more than 4,300 digits with a message for programmers
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object as a dict; ValueError for a repeated key, of which Python would silently keep the last."""
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r} stands there twice")
        values[key] = value
    return values


def _check_depth_and_text(content: Any) -> None:
    """ValueError for nesting deeper than MAX_NESTING, and for text with half of a surrogate pair, which has no UTF-8.

    Low surrogates of Python's `surrogateescape` are allowed: they stand for bytes of file names that are no UTF-8.
    """
    waiting = [(content, 0)]  # a list of work, because recursion is what this check guards against
    while waiting:
        value, depth = waiting.pop()
        if depth > MAX_NESTING:
            raise ValueError("nested too deeply")
        if isinstance(value, str):
            value.encode("utf-8", "surrogateescape")
        elif isinstance(value, (dict, list)):
            children = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in children if isinstance(item, (str, dict, list))]
