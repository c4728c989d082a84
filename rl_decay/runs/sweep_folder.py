"""Which runs a sweep's folder holds: those of its list, and those of a sweeper that chose jobs as it went."""

from __future__ import annotations

from pathlib import Path

from rl_decay.runs.files import entries, is_file, is_folder
from rl_decay.runs.jobs import read_jobs
from rl_decay.runs.layout import ARMS, CHECKPOINTS, JOBS, is_run

DEEPEST = 8  # folders between a sweep and its runs
NO_RUNS = (ARMS, CHECKPOINTS, "report")  # folders that hold none, like those whose names begin with a dot


def run_folders(sweep: Path) -> list[Path]:
    """The folders of a sweep's jobs, begun or not. Errors: UserError as `read_jobs` and `runs_below`.

    An empty list of jobs says that the sweeper chose them as it went: its runs are found below, as deep as they lie.
    Beside a list, and in a folder without one, only a run directly below counts, which somebody put there.
    """
    listed = [sweep / entry["folder"] for entry in read_jobs(sweep)]
    chosen_on_the_way = not listed and is_file(sweep / JOBS)
    found = runs_below(sweep, DEEPEST if chosen_on_the_way else 1)
    return list(dict.fromkeys([*listed, *found]))


def runs_below(folder: Path, depth: int) -> list[Path]:
    """The runs at most `depth` folders below a folder, by name; a run holds none. UserError if it cannot be listed."""
    if depth == 0:
        return []
    found = []
    for path in entries(folder):
        if path.name.startswith(".") or path.name in NO_RUNS or not is_folder(path):
            continue
        if is_run(path):
            found.append(path)
        elif not path.is_symlink():  # a link to a folder above would never end
            found += runs_below(path, depth - 1)
    return found


def sweep_above(folder: Path) -> Path | None:
    """The sweep among whose jobs' folders a folder lies, if there is one above it."""
    for above in list(folder.parents)[:DEEPEST]:
        if is_file(above / JOBS):
            jobs = [above / entry["folder"] for entry in read_jobs(above)]
            return above if any(folder == job or folder in job.parents for job in jobs) else None
    return None
