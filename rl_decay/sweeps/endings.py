"""How a job ended, written for it by another process than the one that should have."""

from __future__ import annotations

from collections.abc import Sequence

from rl_decay.errors import UserError, escaped
from rl_decay.runs.continuation import ENDED
from rl_decay.runs.layout import RUNNING, is_run
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.sweeps.grouping import Job


def record_endings(jobs: Sequence[Job], status: str, reason: str, begin: bool = False) -> list[str]:
    """Write into each job's summary.json how it ended, unless it had ended before; returns a line for the person for
    each that could not be written.

    A missing folder is made only for jobs that may not have begun (`begin`); one that somebody removed stays away.
    """
    lines = []
    for job in jobs:
        try:
            _record(job, status, reason, begin)
        except (OSError, UserError):  # the disk is full, the summary damaged, or another training holds the folder
            lines.append(f"{escaped(job.folder.name)}: {reason}")
    return lines


def _record(job: Job, status: str, reason: str, begin: bool) -> None:
    summary = read_summary(job.folder) if is_run(job.folder) else {"overrides": list(job.overrides)}
    if summary.get("status", RUNNING) in ENDED:
        return
    if begin:
        job.folder.mkdir(parents=True, exist_ok=True)
    with RunLock(job.folder):
        write_summary(job.folder, {**summary, "status": status, "reason": reason})
