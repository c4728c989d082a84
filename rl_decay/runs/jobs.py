"""jobs.json: what a sweep was asked to do, so that jobs that never began can be started later."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl_decay.errors import UserError
from rl_decay.runs.durable import replace
from rl_decay.runs.layout import JOBS


def write_jobs(folder: Path, jobs: Sequence[dict[str, Any]]) -> None:
    """Add jobs to a sweep's list: {folder: path below the sweep's, number, overrides, config (flat), log_name}.

    A job of the same folder is replaced: a sweep may be repeated, and it may be grown.
    """
    known = {job["folder"]: job for job in read_jobs(folder)} | {job["folder"]: job for job in jobs}
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / JOBS, (json.dumps(list(known.values()), indent=1) + "\n").encode())


def read_jobs(folder: Path) -> list[dict[str, Any]]:
    """The jobs of a sweep; [] where there is no list."""
    path = folder / JOBS
    if not path.is_file():
        return []
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
