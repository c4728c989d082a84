"""Write how a job ended, in place of the process that trained it or should have trained it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import FINAL_STATUSES, RUNNING, is_run
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary

Unrecorded = tuple[Path, str]  # a job's folder, and the reason that its summary.json could not take


def record_endings(jobs: Sequence[Job], status: str, reason: str, make_folders: bool = False) -> list[Unrecorded]:
    """Write status and reason into the summary.json of each job that has not ended; returns those that failed to be
    written.

    make_folders: the jobs may not have begun, so make their missing folders. Otherwise a missing folder was removed by
    somebody, and is not made again.
    """
    unrecorded: list[Unrecorded] = []
    for job in jobs:
        try:
            _record(job, status, reason, make_folders)
        except (OSError, UserError):  # the disk is full, the summary damaged, or another training holds the folder
            unrecorded.append((job.folder, reason))
    return unrecorded


def _record(job: Job, status: str, reason: str, make_folders: bool) -> None:
    summary = read_summary(job.folder) if is_run(job.folder) else {"overrides": list(job.overrides)}
    if summary.get("status", RUNNING) in FINAL_STATUSES:
        return
    if make_folders:
        job.folder.mkdir(parents=True, exist_ok=True)
    with RunLock(job.folder):  # or this would overwrite the summary of a training that goes on elsewhere
        write_summary(job.folder, {**summary, "status": status, "reason": reason})
