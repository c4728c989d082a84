"""The one reader of JSON files; whatever they hold, it returns a value of the wanted kind or raises UserError.

Python's own reader takes NaN, repeated keys, other encodings and lone surrogates, and fails on deep nesting with a
RecursionError that the next one who walks through the value would meet again.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from rl_decay.config.kinds import Kind, misfit
from rl_decay.errors import UserError, one_line
from rl_decay.runs import files

DEEPEST = 32  # levels of nesting
LONGEST_NUMBER = 1000  # digits


def read_json(path: Path, kind: Kind, longest: int, way_out: str = "") -> Any:
    """The content of a JSON file in UTF-8 of at most `longest` bytes, if it is of a kind (config/kinds.py).

    UserError, which names the file and what is wrong; `way_out` is added where the content is damaged, and not where
    the file cannot be opened.
    """
    data = files.read(path, longest)
    try:
        content = json.loads(
            data.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_distinct,
        )
        _check_depth_and_text(content)
        problem = misfit(content, kind)
    except RecursionError:
        problem = "nested too deeply"
    except ValueError as error:  # json's, decode's and those raised below
        problem = one_line(error)
    if problem:
        raise UserError(f"{path}: cannot be read ({problem}){way_out}")
    return content


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _whole(text: str) -> int:
    if len(text) > LONGEST_NUMBER:  # Python refuses those of over 4,300 digits, in words for programmers
        raise ValueError(f"a number of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r} stands there twice")
        values[key] = value
    return values


def _check_depth_and_text(content: Any) -> None:
    """ValueError for deeper nesting than DEEPEST, and for text that is none: half of a surrogate pair.

    Bytes of file names that are no UTF-8 may stay: Python keeps each as a surrogate of its own.
    """
    waiting = [(content, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError("nested too deeply")
        if isinstance(value, str):
            value.encode("utf-8", "surrogateescape")
        elif isinstance(value, (dict, list)):
            inner = [*value, *value.values()] if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in inner if isinstance(item, (str, dict, list))]
