"""Train the jobs of a sweep in front of a person, whoever made them; without Hydra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rl_decay.config.schema import unflat
from rl_decay.descriptors import raise_limit
from rl_decay.errors import UserError
from rl_decay.runs.continuation import continue_command, recorded, recorded_config, same_experiment
from rl_decay.runs.jobs import read_jobs
from rl_decay.runs.lock import RunLock
from rl_decay.start import start
from rl_decay.sweeps import workers
from rl_decay.sweeps.display import SweepDisplay
from rl_decay.sweeps.grouping import Job, Population, check_folders, populations
from rl_decay.sweeps.room import Room
from rl_decay.training.console import shown


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
    """The jobs of a sweep folder as populations. Jobs that have ended are left out, unfinished ones continue.

    UserError if two jobs share a folder, or a folder is in use or holds another experiment, or a job alone is too
    large for the machine's memory.
    """

    def __init__(self, jobs: Sequence[Job], options: Options):
        check_folders(jobs)
        raise_limit()
        self.jobs = jobs
        self.folder = jobs[0].folder.parent
        moments = {job.number: _moment(job) for job in jobs}
        todo = [replace(job, moment=moments[job.number]) for job in jobs if moments[job.number] != ENDED]
        self.ended = {number for number, moment in moments.items() if moment == ENDED}
        self.workers = 0
        self.unrecorded: list[str] = []  # failures that no summary.json could take
        self.groups: list[Population] = []
        self.room = Room(jobs)
        for job in todo:
            if job.folder.exists():
                with RunLock(job.folder):  # or else the run of another training would be called failed
                    pass
        if todo:
            count = options.workers or workers.default_workers(todo[0].config.device, len(todo))
            self.workers = self.room.workers(todo, min(count, len(todo)))
            fitting = partial(self.room.members, workers=self.workers)
            self.groups = populations(todo, self.workers, options.max_members, fitting)

    def train(self) -> bool:
        """Train what is left and say how to look at it; False if a signal kept some from finishing."""
        if self.ended:
            print(f"{len(self.ended)} of {len(self.jobs)} runs have ended already")
        display = SweepDisplay(self.jobs, self.groups, self.workers, self.room.needed)
        try:
            outcome = workers.train(self.groups, self.workers, display.update)
        finally:
            display.stop()
        self.unrecorded = outcome.unrecorded
        print(f"look at it: tensorboard --logdir {shown(self.folder)}")
        if not outcome.whole:
            print(f"continue it: {continue_command(shown(self.folder))}")
        return outcome.whole


ENDED = "ended"


def _moment(job: Job) -> Any:
    """What the job must share with those it trains with; UserError where its folder holds another experiment."""
    same_experiment(job.config, job.folder)  # or else a run that has ended would be passed over without a word
    try:
        begun = start(job.config, job.folder)
    except UserError:
        return f"job {job.number}"  # alone, where training it will say the same
    return ENDED if begun.ended else begun.moment


def recorded_jobs(folder: Path) -> list[Job]:
    """The jobs of a sweep folder, as they were begun or asked for; UserError if there are none.

    Where there is no list (a sweeper that chooses jobs as it goes), they are the runs that are there.
    """
    listed = {entry["folder"]: entry for entry in read_jobs(folder)}
    names = [*listed, *sorted(job.name for job in folder.glob("*/") if recorded(job) and job.name not in listed)]
    if not names:
        what = (
            "holds neither a run nor a sweep; give one of the folders below it" if folder.is_dir() else "no such folder"
        )
        raise UserError(f"{folder}: {what}")
    return [_job(folder / name, listed.get(name, {}), number) for number, name in enumerate(names)]


def _job(folder: Path, entry: dict[str, Any], number: int) -> Job:
    summary = recorded(folder)
    config = recorded_config(folder) if summary else unflat(entry["config"])
    overrides = summary.get("overrides") or entry.get("overrides", ())
    return Job(number, config, folder, tuple(overrides), entry.get("log_name", "train.log"))
