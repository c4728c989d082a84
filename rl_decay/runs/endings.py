"""How the runs of a sweep ended: counts, arms that lost runs, failures, and whether all that is a success."""

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

ORDER = (FINISHED, DIVERGED, FAILED, INTERRUPTED, RUNNING)
FAILURES = (FAILED, RUNNING)  # at the end of a sweep
UNENDED = "has not ended: another process trains it, or its process was killed"
ARMS_SHOWN = 8


@dataclass(frozen=True)
class Ending:
    """The status of one run, the reason that its summary gives, and its flat configuration if it came to have one."""

    name: str
    status: str
    reason: str | None = None
    config: dict[str, Any] | None = None


def endings(sweep: Path, folders: Iterable[Path], refused: Mapping[Path, str] = {}) -> list[Ending]:
    """How the runs in some folders of a sweep ended; one without a run has none, a damaged summary counts as failed.

    So does a job that was `refused`, or whose summary could not be written, with the reason that is given here.
    """
    everywhere = dict.fromkeys([*folders, *refused])
    return [_ending(sweep, folder, refused.get(folder)) for folder in everywhere if folder in refused or is_run(folder)]


def _ending(sweep: Path, folder: Path, refusal: str | None) -> Ending:
    name = str(folder.relative_to(sweep) if folder.is_relative_to(sweep) else folder)
    if refusal is not None:
        return Ending(name, FAILED, refusal)
    try:
        summary = read_summary(folder)
        check_kinds(summary.get("config", {}), folder)  # the arms are told apart by its values
    except UserError as error:
        return Ending(name, FAILED, str(error))
    reason = UNENDED if summary["status"] == RUNNING else summary.get("reason")
    return Ending(name, summary["status"], reason, summary.get("config"))


def lines(runs: Sequence[Ending]) -> list[str]:
    """The counts of all runs, then those of every arm that lost some: `schedule=none: 2 diverged of 10`."""
    if not runs:
        return []
    word = "run" if len(runs) == 1 else "runs"
    return [f"{len(runs)} {word}: {_counts(runs, ORDER)}", *_lossy_arms(runs)]


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


def _lossy_arms(runs: Sequence[Ending]) -> list[str]:
    known = [run for run in runs if run.config is not None]
    if all(run.status == FINISHED for run in known):
        return []
    arms: dict[str, list[Ending]] = {}
    configs = [flat(Config()) | (run.config or {}) for run in known]  # an older run lacks later keys
    for run, arm in zip(known, arm_names(configs), strict=True):
        arms.setdefault(arm, []).append(run)
    lossy = {arm: members for arm, members in arms.items() if any(run.status != FINISHED for run in members)}
    losses = [f"{arm}: {_counts(members, ORDER[1:])} of {len(members)}" for arm, members in lossy.items()]
    more = [f"and {len(losses) - ARMS_SHOWN} more arms"] if len(losses) > ARMS_SHOWN else []
    return [*losses[:ARMS_SHOWN], *more]
