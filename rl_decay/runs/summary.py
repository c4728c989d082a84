"""summary.json and what goes into it: the one file that says what a run is, and that readers trust."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.config.kinds import Fields, Whole, kind_problem
from rl_decay.errors import UserError, one_line
from rl_decay.runs.durable import write_atomically
from rl_decay.runs.files import is_file
from rl_decay.runs.json_files import read_json
from rl_decay.runs.layout import STATUSES, SUMMARY

SUMMARY_VERSION = 1
MAX_SUMMARY_BYTES = 2**24
NUMBER = float | None
COUNT = Whole(0)
SUMMARY_WAY_OUT = "; move its folder away to start the run anew"
# The keys of every entry of `resumed`, and the keys of an entry that also made the run longer (it then has `horizon`).
CONTINUATION = Fields({"iteration": COUNT}, {"versions": list[str]})
EXTENSION = Fields({"horizon": str, "total_steps_before": COUNT, "total_steps": COUNT})
NOT_EXACT = "not_exact"  # in an entry of `resumed`: why that continuation may differ from an undisturbed run
# What readers rely on. A run that was refused has little more than its status; an unknown key is a later version's.
SUMMARY_KINDS = Fields(
    {"status": STATUSES},
    {
        **dict.fromkeys(("reason", "osc_late_reason"), str | None),
        **dict.fromkeys(("env_id", "fingerprint", "compile", "vec"), str),
        **dict.fromkeys(("threads", "segment_length", "horizon_iterations"), Whole(1)),
        **dict.fromkeys(("seed", "env_steps", "valid_steps", "iterations"), COUNT),
        **dict.fromkeys(("wall_seconds", "steps_per_second", "final_return", "last_return", "best_return"), NUMBER),
        **dict.fromkeys(("osc_late", "drawdown_cvar05_late", "retention"), NUMBER),
        **dict.fromkeys(("overrides", "notes"), list[str]),
        "config": dict[str, Any],
        "device": ("cpu", "cuda"),
        "held_at": Whole(0, or_null=True),
        "evaluation_cap": Whole(1, or_null=True),
        "resumed": list[dict[str, Any]],
        "versions": dict[str, str | None],
        "unit": ("score", "return"),
    },
)
PACKAGES = ("rl_decay", "torch", "gymnasium", "numpy", "hydra-core", "omegaconf", "tensorboard")


def write_summary(folder: str | Path, values: Mapping[str, Any]) -> None:
    """Write `values` as the folder's summary.json, in one step, with the schema version in front.

    NaN and infinities become null, NumPy scalars plain numbers, tuples lists. TypeError, which names the key, for
    anything else that JSON does not know; the old file then stays.
    """
    content: dict[str, Any] = {"schema_version": SUMMARY_VERSION}
    for key, value in values.items():
        content[key] = _json_value(value, key)
    # allow_nan=False: Python would write NaN, which is not JSON.
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_atomically(Path(folder) / SUMMARY, text.encode())


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Read the folder's summary.json; UserError, naming the file, if it is missing, broken or of another schema.

    Every key of SUMMARY_KINDS that is there has its kind, and the status is there.
    """
    path = Path(folder) / SUMMARY
    if not is_file(path):
        raise UserError(f"{path}: no such file, so {folder} is not a run folder")
    summary = read_json(path, Any, MAX_SUMMARY_BYTES, SUMMARY_WAY_OUT)
    version = summary.get("schema_version") if isinstance(summary, dict) else None
    # A version of `true` is refused by name: True == 1 in Python.
    if version != SUMMARY_VERSION or isinstance(version, bool):
        raise UserError(
            f"{path}: schema_version is {one_line(version)}; this version of rl_decay reads {SUMMARY_VERSION}"
        )
    require_kinds(summary, SUMMARY_KINDS, path)
    for number, entry in enumerate(summary.get("resumed", ())):
        require_kinds(entry, CONTINUATION, path, f"resumed[{number}]")
        if "horizon" in entry:
            require_kinds(entry, EXTENSION, path, f"resumed[{number}]")
    return summary


def require_kinds(values: dict[str, Any], kinds: Fields, path: Path, name: str = "") -> None:
    """UserError, which names the file and the key, where a part of a summary lacks a key or has another kind."""
    if problem := kind_problem(values, kinds, name):
        raise UserError(f"{path}: cannot be read ({problem}){SUMMARY_WAY_OUT}")


def inexact_notes(continuations: Iterable[Mapping[str, Any]]) -> list[str]:
    """A line for `notes` per entry of `resumed` whose replay differed from the first time."""
    return [
        f"not exact: {entry[NOT_EXACT]}, continued after iteration {entry['iteration']}"
        for entry in continuations
        if NOT_EXACT in entry
    ]


def with_inexact_continuation(header: Mapping[str, Any], reason: str) -> dict[str, Any]:
    """A summary's header with `reason` in the newest entry of `resumed`, and as a line of `notes`."""
    *earlier, newest = header["resumed"]
    newest = {**newest, NOT_EXACT: reason}
    return {**header, "resumed": [*earlier, newest], "notes": [*header["notes"], *inexact_notes([newest])]}


def versions() -> dict[str, str | None]:
    """The versions of Python and of the packages that decide a result, none of them imported; None = not installed."""
    return {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES}


@cache  # a search through the installed packages, which stay what they are
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _json_value(value: Any, key: str) -> Any:
    """A value in JSON's own types; `key` is its place in the file, for the message of a TypeError."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has neither NaN nor infinity
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_json_value(item, f"{key}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: _json_value(item, f"{key}.{name}") for name, item in value.items()}
    raise TypeError(f"{key}: JSON has no {type(value).__name__}: {value!r}")
