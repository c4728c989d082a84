"""Train the jobs of a sweep in front of a person; without Hydra, so that resume can use it too."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rl_decay.config.recorded import config_to_train
from rl_decay.config.schema import Config, flat
from rl_decay.config.trust import modules_to_trust
from rl_decay.errors import UserError
from rl_decay.runs.continuation import continue_command, same_experiment
from rl_decay.runs.files import exists, is_folder, require_inside
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job, read_jobs
from rl_decay.runs.layout import JOBS
from rl_decay.runs.lock import RunLock
from rl_decay.runs.sweep_folder import run_folders, sweep_above
from rl_decay.sweeps import workers
from rl_decay.sweeps.display import SweepDisplay
from rl_decay.sweeps.grouping import Population, check_folders, populations
from rl_decay.sweeps.room import Room
from rl_decay.system.descriptors import raise_limit
from rl_decay.system.shell import as_typed
from rl_decay.training.start_point import find_start_point


@dataclass(frozen=True)
class Options:
    """How to train a sweep: worker processes (None = by cores) and the largest population (None = any)."""

    workers: int | None = None
    max_members: int | None = None

    def check(self, prefix: str = "") -> None:
        """UserError unless both are whole numbers of at least 1, or None."""
        for name, value in asdict(self).items():
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UserError(f"{prefix}{name}={value}: must be a whole number of at least 1; or null")


class Sweep:
    """The jobs of a sweep's `folder` as populations. Jobs that have ended are left out, unfinished ones continue.

    UserError if two jobs share a folder, or a folder is in use or holds another experiment, or a job alone is too
    large for the machine's memory.
    """

    def __init__(self, jobs: Sequence[Job], options: Options, folder: Path):
        # Everything that can be refused is refused here, before the first run begins.
        check_folders([(job.title, job.folder) for job in jobs])
        raise_limit()
        self.jobs = jobs
        self.folder = folder
        points = {job.number: _resume_point(job) for job in jobs}
        unfinished = [job for job in jobs if points[job.number] != NOTHING_LEFT]
        self.done_jobs = {number for number, point in points.items() if point == NOTHING_LEFT}  # numbers of jobs
        self.workers = 0
        self.unrecorded: dict[Path, str] = {}  # failures that no summary.json could take
        self.populations: list[Population] = []
        self.room = Room(unfinished)
        for job in unfinished:
            if exists(job.folder):
                # Refuse a folder in use now. A worker would refuse it later, and then its refusal would be recorded as
                # the end of the run that trains there.
                with RunLock(job.folder):
                    pass
        if unfinished:
            count = options.workers or workers.default_workers(unfinished[0].config.device, len(unfinished))
            self.workers = self.room.workers(unfinished, min(count, len(unfinished)))
            fitting = partial(self.room.members, workers=self.workers)
            self.populations = populations(unfinished, self.workers, options.max_members, fitting, points)

    def train(self) -> bool:
        """Train the unfinished jobs and print how to look at the runs; False if a signal kept some from finishing."""
        if self.done_jobs:
            print(f"{len(self.done_jobs)} of {len(self.jobs)} runs have ended already")
        display = SweepDisplay(self.jobs, self.populations, self.workers, self.room.needed)
        try:
            outcome = workers.train(self.populations, self.workers, display.update)
        finally:
            display.stop()
        self.unrecorded = dict(outcome.unrecorded)
        print(f"look at it: tensorboard --logdir {as_typed(self.folder)}")
        if not outcome.complete:
            trust: list[str] = []
            for job in self.jobs:
                trust += modules_to_trust(flat(job.config))
            print(f"continue it: {continue_command(self.folder, trust)}")
        return outcome.complete


NOTHING_LEFT = "nothing left"  # to train: the resume point of a run that has finished or diverged


def _resume_point(job: Job) -> Hashable:
    """The point from which a job's training goes on; jobs with equal points can train together.

    UserError if the folder holds another experiment.
    """
    run_folder = RunFolder(job.folder)
    # Asked first, because a finished run of ANOTHER experiment must be refused, not passed over as having nothing left.
    same_experiment(job.config, run_folder)
    try:
        start = find_start_point(job, run_folder)
    except UserError:
        # A point that no other job has: the job gets a population of its own, and training it raises the same error.
        return f"job {job.number}"
    return NOTHING_LEFT if start.nothing_left else start.resume_point


def recorded_jobs(folder: Path, trust: Collection[str]) -> list[Job]:
    """The jobs of a sweep folder: with the recorded configuration if they have begun, else as jobs.json lists them.

    UserError if there are no jobs, for a folder inside a sweep, whose list of jobs lies above it, for a job that names
    code which is neither installed nor in `trust`, and for a job whose folder is a link that leads out of the sweep's.
    """
    if not is_folder(folder):
        raise UserError(f"{folder}: no such folder")
    if (sweep := sweep_above(folder)) is not None:
        raise UserError(f"{folder}: lies inside a sweep; continue it as a whole: {continue_command(sweep, trust)}")
    entries = {folder / entry["folder"]: entry for entry in read_jobs(folder)}
    # A folder outside the list counts if it holds a run with a configuration: a person may have moved it there.
    runs = [run for run in map(RunFolder, run_folders(folder)) if run.path in entries or run.summary]
    if not runs:
        raise UserError(f"{folder}: holds neither a run nor a sweep; give one of the folders below it")
    for run in runs:
        require_inside(run.path, folder)
    jobs = []
    for number, run in enumerate(runs):
        entry = entries.get(run.path, {})
        config = run.config(trust) if run.summary else _listed_config(folder, entry, trust)
        overrides = run.summary.get("overrides") or entry.get("overrides", ())
        jobs.append(Job(number, config, run.path, tuple(overrides), entry.get("log_name", "train.log")))
    return jobs


def _listed_config(folder: Path, entry: dict[str, Any], trust: Collection[str]) -> Config:
    """The configuration in jobs.json of a job that has not begun; UserError for code nobody has vouched for."""
    return config_to_train(entry["config"], trust, f"{folder / JOBS}: job {entry['folder']}")
