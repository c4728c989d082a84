"""How the runs of a sweep ended: counts, arms of which a run did not finish, failures, and whether it was a success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_decay.config.arm_names import arm_names
from rl_decay.config.recorded import check_kinds
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError, escaped, one_line
from rl_decay.runs.layout import DIVERGED, FAILED, FINISHED, INTERRUPTED, RUNNING, is_run
from rl_decay.runs.summary import read_summary

SHOWN_ORDER = (FINISHED, DIVERGED, FAILED, INTERRUPTED, RUNNING)
FAILURES = (FAILED, RUNNING)  # at the end of a sweep, `running` means: killed, or trained by another process
STILL_RUNNING = "has not ended: another process trains it, or its process was killed"
ARMS_SHOWN = 8


@dataclass(frozen=True)
class Ending:
    """The status of one run, the reason in its summary, and its flat configuration (None for a refused run)."""

    name: str
    status: str
    reason: str | None = None
    flat_config: dict[str, Any] | None = None


def endings(sweep: Path, folders: Iterable[Path], refused: Mapping[Path, str] = {}) -> list[Ending]:
    """How the runs in some folders of a sweep ended; a folder without a run is left out.

    refused: the reasons of jobs that were refused, or whose summary could not be written, by folder. They count as
    failed, and so does a run with a damaged summary.
    """
    all_folders = dict.fromkeys([*folders, *refused])
    with_ending = [folder for folder in all_folders if folder in refused or is_run(folder)]
    return [_ending(sweep, folder, refused.get(folder)) for folder in with_ending]


def _ending(sweep: Path, folder: Path, refusal: str | None) -> Ending:
    name = str(folder.relative_to(sweep) if folder.is_relative_to(sweep) else folder)
    if refusal is not None:
        return Ending(name, FAILED, refusal)
    try:
        summary = read_summary(folder)
        check_kinds(summary.get("config", {}), folder)  # arm_names below compares the values
    except UserError as error:
        return Ending(name, FAILED, str(error))
    reason = STILL_RUNNING if summary["status"] == RUNNING else summary.get("reason")
    return Ending(name, summary["status"], reason, summary.get("config"))


def lines(runs: Sequence[Ending]) -> list[str]:
    """The counts of all runs, then of every arm of which a run did not finish: `schedule=none: 2 diverged of 10`."""
    if not runs:
        return []
    word = "run" if len(runs) == 1 else "runs"
    return [f"{len(runs)} {word}: {_counts(runs, SHOWN_ORDER)}", *_incomplete_arms(runs)]


def failures(runs: Iterable[Ending]) -> list[str]:
    """Which runs failed or have not ended, and why, one line each."""
    return [f"{escaped(run.name)}: {one_line(run.reason or 'no reason')}" for run in runs if run.status in FAILURES]


def shortfall(runs: Sequence[Ending]) -> str | None:
    """Why a sweep was no success, or None: a run failed or has not ended, or all diverged.

    Some diverged runs are no failure: a sweep over rates is expected to lose them.
    """
    failed = sum(run.status in FAILURES for run in runs)
    if failed:
        return f"{failed} of {len(runs)} runs failed"
    return f"all {len(runs)} runs diverged" if runs and all(run.status == DIVERGED for run in runs) else None


def _counts(runs: Sequence[Ending], statuses: Sequence[str]) -> str:
    counts = Counter(run.status for run in runs)
    return ", ".join(f"{counts[status]} {status}" for status in statuses if counts[status])


def _incomplete_arms(runs: Sequence[Ending]) -> list[str]:
    """A line for each arm of which a run did not finish, at most ARMS_SHOWN of them."""
    configured = [run for run in runs if run.flat_config is not None]
    if all(run.status == FINISHED for run in configured):
        return []  # naming the arms of a large sweep takes time
    flat_configs = [flat(Config()) | (run.flat_config or {}) for run in configured]  # an older run lacks later keys
    runs_by_arm: dict[str, list[Ending]] = {}
    for run, arm in zip(configured, arm_names(flat_configs), strict=True):
        runs_by_arm.setdefault(arm, []).append(run)
    arm_lines = []
    for arm, runs_of_arm in runs_by_arm.items():
        if any(run.status != FINISHED for run in runs_of_arm):
            arm_lines.append(f"{arm}: {_counts(runs_of_arm, SHOWN_ORDER[1:])} of {len(runs_of_arm)}")
    if len(arm_lines) > ARMS_SHOWN:
        return [*arm_lines[:ARMS_SHOWN], f"and {len(arm_lines) - ARMS_SHOWN} more arms"]
    return arm_lines
