"""The job, one run that was asked for, and jobs.json, the list of a sweep's jobs.

With the list a later process can start jobs that never began.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_decay.config.kinds import Fields, misfit
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError, one_line
from rl_decay.runs.durable import replace
from rl_decay.runs.files import exists
from rl_decay.runs.json_files import read_json
from rl_decay.runs.layout import JOBS

LONGEST = 2**30  # bytes: a sweep of 100,000 jobs has a third of it
WAY_OUT = "; move it away to continue the runs that have begun without those that have not"
ENTRY = Fields({"folder": str, "config": dict[str, Any]}, {"number": int, "overrides": list[str], "log_name": str})


@dataclass(frozen=True)
class Job:
    """One run that was asked for: its number in its sweep (0 alone), what it trains and into which folder.

    overrides: what was typed, for summary.json. log_name: the file in the folder that takes the log lines.
    """

    number: int
    config: Config
    folder: Path
    overrides: tuple[str, ...] = ()
    log_name: str = "train.log"

    @property
    def title(self) -> str:
        """Number and overrides, by which a message names the job."""
        return title(self.number, self.overrides)


def title(number: int, overrides: Sequence[str]) -> str:
    """How a message names a job after the word "job"."""
    return f"{number} ({' '.join(overrides)})"


def record_jobs(sweep: Path, jobs: Sequence[Job]) -> None:
    """Add jobs to the list in a sweep's folder, beside those that an earlier sweep there was asked for."""
    write_jobs(sweep, [_entry(sweep, job) for job in jobs])


def _entry(sweep: Path, job: Job) -> dict[str, Any]:
    return {
        "folder": job.folder.relative_to(sweep).as_posix(),
        "number": job.number,
        "log_name": job.log_name,
        "overrides": list(job.overrides),
        "config": flat(job.config),
    }


def write_jobs(folder: Path, jobs: Sequence[dict[str, Any]]) -> None:
    """Add jobs to a sweep's list: {folder: path below the sweep's, number, overrides, config (flat), log_name}.

    A job of the same folder is replaced: a sweep may be repeated, and it may be grown.
    """
    known = {job["folder"]: job for job in read_jobs(folder)} | {job["folder"]: job for job in jobs}
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / JOBS, (json.dumps(list(known.values()), indent=1) + "\n").encode())


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep; [] where there is no list.

    UserError for a file that is no such list, and for a job whose folder or log would not lie below the sweep's folder.
    """
    path = folder / JOBS
    if not exists(path):
        return []
    jobs = read_json(path, list[Any], LONGEST, WAY_OUT)
    for number, job in enumerate(jobs):
        problem = misfit(job, ENTRY, f"[{number}]") or _misplaced(job)
        if problem:
            raise UserError(f"{path}: cannot be read ({problem}){WAY_OUT}")
    return jobs


def _misplaced(job: dict[str, Any]) -> str | None:
    """What is wrong with the places of a job, which the file of a stranger might put anywhere."""
    folder, log = job["folder"], job.get("log_name", "train.log")
    if not all(map(_is_name, folder.split("/"))):
        return f"the folder {one_line(repr(folder))} is no plain path below the sweep's"
    if not (_is_name(log) and log.endswith(".log") and "/" not in log):
        return f"the log {one_line(repr(log))} is no name of a .log file"
    return None


def _is_name(part: str) -> bool:
    return part not in ("", ".", "..") and not any(ord(c) < 32 or ord(c) == 127 for c in part)
