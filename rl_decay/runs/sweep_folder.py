"""The runs in a sweep's folder: from its list of jobs, or by a search if the sweeper chose its jobs one by one."""

from __future__ import annotations

from pathlib import Path

from rl_decay.runs.files import entries, is_file, is_folder
from rl_decay.runs.jobs import read_jobs
from rl_decay.runs.layout import ARMS, CHECKPOINTS, JOBS, is_run

MAX_FOLDER_DEPTH = 8  # folders between a sweep and its runs
WITHOUT_RUNS = (ARMS, CHECKPOINTS, "report")  # not searched, like folders whose names begin with a dot


def run_folders(sweep: Path) -> list[Path]:
    """The folders of a sweep's jobs, begun or not. Errors: UserError as `read_jobs` and `runs_below`.

    An empty list of jobs marks a sweep whose sweeper chose its jobs one by one (Optuna): its runs are found by a
    search, at most MAX_FOLDER_DEPTH folders below. With jobs in the list, or without a list, only the folders directly
    below are searched, for runs that a person moved there.
    """
    job_folders = [sweep / entry["folder"] for entry in read_jobs(sweep)]
    chosen_one_by_one = not job_folders and is_file(sweep / JOBS)
    runs = runs_below(sweep, MAX_FOLDER_DEPTH if chosen_one_by_one else 1)
    return list(dict.fromkeys([*job_folders, *runs]))


def runs_below(folder: Path, depth: int) -> list[Path]:
    """The runs at most `depth` folders below a folder, by name; none is searched inside a run. UserError if a folder
    cannot be listed.
    """
    if depth == 0:
        return []
    runs = []
    for path in entries(folder):
        if path.name.startswith(".") or path.name in WITHOUT_RUNS or not is_folder(path):
            continue
        if is_run(path):
            runs.append(path)
        elif not path.is_symlink():  # a link to a parent folder would make the search endless
            runs += runs_below(path, depth - 1)
    return runs


def sweep_above(folder: Path) -> Path | None:
    """The sweep that has a job in, or below, this folder; None if no parent folder is such a sweep."""
    for above in list(folder.parents)[:MAX_FOLDER_DEPTH]:
        if is_file(above / JOBS):
            for entry in read_jobs(above):
                job_folder = above / entry["folder"]
                if folder == job_folder or folder in job_folder.parents:
                    return above
            return None
    return None
