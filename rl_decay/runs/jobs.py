"""The job (one requested run), and jobs.json: the list of a sweep's jobs, so that resume can start missing ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rl_decay.config.kinds import Fields, kind_problem
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError, one_line
from rl_decay.runs.durable import write_atomically
from rl_decay.runs.files import exists
from rl_decay.runs.json_files import read_json
from rl_decay.runs.layout import JOBS

MAX_JOBS_BYTES = 2**30  # the list of 100,000 jobs takes a third of it
JOBS_WAY_OUT = "; move it away to continue the runs that have begun without those that have not"
ENTRY = Fields({"folder": str, "config": dict[str, Any]}, {"number": int, "overrides": list[str], "log_name": str})


@dataclass(frozen=True)
class Job:
    """One requested run: its number in its sweep (0 for a single run), its configuration and its folder.

    overrides: the typed overrides, for summary.json. log_name: the file in the folder for the log lines.
    """

    number: int
    config: Config
    folder: Path
    overrides: tuple[str, ...] = ()
    log_name: str = "train.log"

    @property
    def title(self) -> str:
        """Number and overrides: the name of the job in messages."""
        return title(self.number, self.overrides)


def title(number: int, overrides: Sequence[str]) -> str:
    """The name of a job in messages, after the word "job"."""
    return f"{number} ({' '.join(overrides)})"


def record_jobs(sweep: Path, jobs: Sequence[Job]) -> None:
    """Add jobs to the list in a sweep's folder, beside the jobs of an earlier sweep there."""
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
    by_folder = {job["folder"]: job for job in read_jobs(folder)}
    for job in jobs:
        by_folder[job["folder"]] = job
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(list(by_folder.values()), indent=1) + "\n"
    write_atomically(folder / JOBS, text.encode())


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep; [] without a list.

    UserError for a file of other content, and for a job whose folder or log would not lie below the sweep's folder.
    """
    path = folder / JOBS
    if not exists(path):
        return []
    jobs = read_json(path, list[Any], MAX_JOBS_BYTES, JOBS_WAY_OUT)
    for number, job in enumerate(jobs):
        problem = kind_problem(job, ENTRY, f"[{number}]") or _place_problem(job)
        if problem:
            raise UserError(f"{path}: cannot be read ({problem}){JOBS_WAY_OUT}")
    return jobs


def _place_problem(job: dict[str, Any]) -> str | None:
    """The problem with the folder or the log of a job, or None: a stranger's jobs.json may name any file of ours."""
    folder = job["folder"]
    log = job.get("log_name", "train.log")
    if not all(_is_name(part) for part in folder.split("/")):
        return f"the folder {one_line(repr(folder))} is no plain path below the sweep's"
    if not (_is_name(log) and log.endswith(".log") and "/" not in log):
        return f"the log {one_line(repr(log))} is no name of a .log file"
    return None


def _is_name(part: str) -> bool:
    """Whether a part of a path is a plain name: not empty, no step up, no control character."""
    return part not in ("", ".", "..") and not any(ord(c) < 32 or ord(c) == 127 for c in part)
