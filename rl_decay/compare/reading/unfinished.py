"""Runs that neither finished nor diverged: their status and progress."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_decay.compare.model import Unfinished
from rl_decay.errors import UserError, one_line
from rl_decay.runs import layout
from rl_decay.runs.files import read
from rl_decay.runs.lock import is_held

KILLED = "killed"
REASONS = {layout.RUNNING: "still training", KILLED: "its process ended without a word"}


def unfinished(folder: Path, summary: Mapping[str, Any], end: int) -> Unfinished:
    """The status, progress and reason of a run of `end` env steps that neither finished nor diverged.

    A run that says `running` while nobody holds its lock was killed.
    """
    status = summary["status"]
    if status == layout.RUNNING and not is_held(folder):
        status = KILLED
    # The summary counts steps when a run ends; a killed one has them in its table alone.
    reached = max(int(summary["env_steps"]), _last_step(folder / layout.METRICS_CSV))
    progress = min(reached / end, 1.0) if end > 0 else 0.0
    reason = one_line(summary.get("reason") or REASONS.get(status, "no reason given"))
    return Unfinished(folder, status, progress, reason)


def _last_step(path: Path) -> int:
    """Env steps of a table's last complete row; 0 if the table has no such row."""
    try:
        # A killed process may have written half a row: only what ends with a line break counts.
        complete, _, _ = read(path).rpartition(b"\n")
        last = complete.splitlines()[-1]
        return int(last.split(b",")[0])
    except (UserError, ValueError, IndexError):
        return 0
