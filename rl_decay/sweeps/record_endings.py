"""How a job ended, written for it by another process than the one that should have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import FINAL_STATUSES, RUNNING, is_run
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary

Unrecorded = tuple[Path, str]  # a job's folder, and how it ended


def record_endings(jobs: Sequence[Job], status: str, reason: str, begin: bool = False) -> list[Unrecorded]:
    """Write into each job's summary.json how it ended, unless it had ended before; returns those that could not be
    written.

    A missing folder is made only for jobs that may not have begun (`begin`); one that somebody removed stays away.
    """
    unrecorded: list[Unrecorded] = []
    for job in jobs:
        try:
            _record(job, status, reason, begin)
        except (OSError, UserError):  # the disk is full, the summary damaged, or another training holds the folder
            unrecorded.append((job.folder, reason))
    return unrecorded


def _record(job: Job, status: str, reason: str, begin: bool) -> None:
    summary = read_summary(job.folder) if is_run(job.folder) else {"overrides": list(job.overrides)}
    if summary.get("status", RUNNING) in FINAL_STATUSES:
        return
    if begin:
        job.folder.mkdir(parents=True, exist_ok=True)
    with RunLock(job.folder):
        write_summary(job.folder, {**summary, "status": status, "reason": reason})
