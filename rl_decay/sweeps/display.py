"""The display of a sweep: the table of its populations before training, the progress per arm during it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TextColumn
from rich.table import Column, Table

from rl_decay.config.arm_names import arm_names
from rl_decay.config.memory import in_words
from rl_decay.config.schema import Config, flat
from rl_decay.console.terminal import progress_columns
from rl_decay.runs.jobs import Job
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.reporter import PopulationEnded, Progress
from rl_decay.system.narrow import fitted

log = logging.getLogger("rl_decay")
LOG_SECONDS = 10.0  # between two log lines
MemoryOf = Callable[[Config, int], int | None]  # (configuration, members) -> bytes, None = not known


class SweepDisplay:
    """Progress of a sweep, on a terminal as a bar, elsewhere as log lines."""

    def __init__(self, jobs: Sequence[Job], populations: Sequence[Population], workers: int, memory_of: MemoryOf):
        self._console = Console()
        self._populations = populations
        self._num_jobs = sum(map(len, populations))
        self._arms = arms(jobs)
        self._reports: dict[int, Progress] = {}  # the latest of each population, by its index
        self._ended: set[int] = set()  # indices of populations
        self._started = time.monotonic()
        self._logged = self._started
        self._bar: Bar | None = None
        if populations:
            self._console.print(fitted(self._console, populations_table(populations, workers, memory_of)))
        if self._console.is_terminal:
            count = TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True))
            self._bar = Bar(*progress_columns(count), console=self._console)
            self._task = self._bar.add_task("starting", total=self._num_jobs, count=self._count())
            self._bar.start()

    def update(self, report: Progress | PopulationEnded) -> None:
        """Take the report of a population and show the new state."""
        if isinstance(report, PopulationEnded):
            self._ended.add(report.population)
        else:
            self._reports[report.population] = report
        now = time.monotonic()
        # A log file would fill up with the reports of every second; a bar is drawn in place.
        if self._bar is not None:
            self._bar.update(self._task, completed=self._trained(), count=self._count(), description=self._words())
        elif now - self._logged > LOG_SECONDS:
            self._logged = now
            log.info("%s, %s, %s", self._count(), self._words(), self._time_left(now - self._started))

    def _count(self) -> str:
        """How many runs have ended. Only complete runs count: 99 % of three runs is not three."""
        ended = 0
        for index, population in enumerate(self._populations):
            report = self._reports.get(index)
            if index in self._ended:
                ended += len(population)
            elif report is not None:
                ended += report.ended
        return f"{ended} of {self._num_jobs} ended"

    def _trained(self) -> float:
        """Finished training in units of runs, with the fractions of runs in training."""
        trained = 0.0
        for index, population in enumerate(self._populations):
            report = self._reports.get(index)
            if index in self._ended:
                trained += len(population)
            elif report is not None:
                trained += len(population) * report.iteration / report.num_iterations
        return trained

    def _time_left(self, elapsed: float) -> str:
        """The estimated time left, at the speed of this process: training by former processes took none of its time."""
        trained_before = 0.0
        for index, report in self._reports.items():
            trained_before += len(self._populations[index]) * report.start / report.num_iterations
        trained = self._trained()
        if trained <= trained_before:
            return "ETA unknown"
        left = elapsed * (self._num_jobs - trained) / (trained - trained_before)
        return f"ETA {left:.0f} s"

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _words(self) -> str:
        returns: dict[str, list[float]] = {}  # by arm
        for index, report in self._reports.items():
            for job, value in zip(self._populations[index], report.returns, strict=True):
                returns.setdefault(self._arms[job.number], []).append(value)
        steps = sum(report.valid_steps for report in self._reports.values())
        rate = steps / max(time.monotonic() - self._started, 1e-9)  # the first report may come at once
        spreads = ", ".join(f"{arm}: {_spread(values)}" for arm, values in returns.items())
        return f"{rate:,.0f} steps/s, return {spreads}"


def arms(jobs: Sequence[Job]) -> dict[int, str]:
    """Job number -> name of its arm: the values, except the seed, that distinguish it from other arms."""
    names = arm_names([flat(job.config) for job in jobs])
    return {job.number: name for job, name in zip(jobs, names, strict=True)}


def populations_table(populations: Sequence[Population], workers: int, memory_of: MemoryOf) -> Table:
    """Which jobs train together, and the memory each population is expected to take."""
    title = f"{sum(map(len, populations))} jobs in {len(populations)} population(s), {workers} worker(s)"
    table = Table("jobs", "members", "task", "memory", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for population in populations:
        config = population[0].config
        numbers = _ranges([job.number for job in population])
        size = memory_of(config, len(population))
        memory = "not known" if size is None else f"about {in_words(size)}"
        table.add_row(numbers, str(len(population)), config.env.id, memory)
    return table


def _ranges(numbers: Sequence[int]) -> str:
    """Increasing numbers in short: 0..1, 4..5."""
    ranges: list[list[int]] = []  # first and last number
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{first}" if first == last else f"{first}..{last}" for first, last in ranges)


def _spread(values: Sequence[float | None]) -> str:
    """Mean and standard deviation over the runs of an arm that have a return already."""
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    return f"{np.mean(numbers):.4g} +- {np.std(numbers):.2g}" if numbers else "-"
