"""What a person sees of a sweep: the populations before, progress per arm during."""

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
from rl_decay.console.tables import progress_columns
from rl_decay.runs.jobs import Job
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.reporter import Ended, Progress
from rl_decay.system.narrow import fitted

log = logging.getLogger("rl_decay")
SILENCE = 10.0  # seconds without a log line
Needed = Callable[[Config, int], int | None]  # bytes of so many members, None = not known


class SweepDisplay:
    """Progress of a sweep, on a terminal as a bar, elsewhere as log lines."""

    def __init__(self, jobs: Sequence[Job], groups: Sequence[Population], workers: int, needed: Needed):
        self._console, self._groups = Console(), groups
        self._arms = arms(jobs)
        self._reports: dict[int, Progress] = {}
        self._ended: set[int] = set()  # populations
        self._started = self._spoke = time.monotonic()
        self._bar: Bar | None = None
        if groups:
            self._console.print(fitted(self._console, populations_table(groups, workers, needed)))
        if self._console.is_terminal:
            count = TextColumn("{task.fields[count]}", table_column=Column(no_wrap=True))
            self._bar = Bar(*progress_columns(count), console=self._console)
            self._task = self._bar.add_task("starting", total=sum(map(len, groups)), count=self._count())
            self._bar.start()

    def update(self, report: Progress | Ended) -> None:
        """Take what a population reports, and show it."""
        if isinstance(report, Ended):
            self._ended.add(report.population)
        else:
            self._reports[report.population] = report
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._trained(), count=self._count(), description=self._words())
        elif now - self._spoke > SILENCE:
            self._spoke = now
            log.info("%s, %s, %s", self._count(), self._words(), self._time_left(now - self._started))

    def _count(self) -> str:
        """How many runs have ended; shares of runs in training are no runs."""
        ended = 0
        for index, group in enumerate(self._groups):
            report = self._reports.get(index)
            if index in self._ended:
                ended += len(group)
            elif report is not None:
                ended += report.ended
        return f"{ended} of {sum(map(len, self._groups))} ended"

    def _trained(self) -> float:
        """Training done, in whole runs."""
        trained = 0.0
        for index, group in enumerate(self._groups):
            report = self._reports.get(index)
            if index in self._ended:
                trained += len(group)
            elif report is not None:
                trained += len(group) * report.iteration / report.num_iterations
        return trained

    def _time_left(self, elapsed: float) -> str:
        before = 0.0  # trained by former processes
        for index, report in self._reports.items():
            before += len(self._groups[index]) * report.start / report.num_iterations
        trained = self._trained()
        if trained <= before:
            return "ETA unknown"
        left = elapsed * (sum(map(len, self._groups)) - trained) / (trained - before)
        return f"ETA {left:.0f} s"

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _words(self) -> str:
        spread: dict[str, list[float]] = {}
        for index, report in self._reports.items():
            for job, value in zip(self._groups[index], report.returns, strict=True):
                spread.setdefault(self._arms[job.number], []).append(value)
        steps = sum(report.valid_steps for report in self._reports.values())
        rate = steps / max(time.monotonic() - self._started, 1e-9)
        shown = ", ".join(f"{arm}: {_spread(values)}" for arm, values in spread.items())
        return f"{rate:,.0f} steps/s, return {shown}"


def arms(jobs: Sequence[Job]) -> dict[int, str]:
    """Job number -> name of its arm: what tells it apart from the others, the seed aside."""
    names = arm_names([flat(job.config) for job in jobs])
    return {job.number: name for job, name in zip(jobs, names, strict=True)}


def populations_table(groups: Sequence[Population], workers: int, needed: Needed) -> Table:
    """Which jobs train together, and the memory each population is expected to take."""
    title = f"{sum(map(len, groups))} jobs in {len(groups)} population(s), {workers} worker(s)"
    table = Table("jobs", "members", "task", "memory", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for group in groups:
        config = group[0].config
        numbers = _ranges([job.number for job in group])
        size = needed(config, len(group))
        memory = "not known" if size is None else f"about {in_words(size)}"
        table.add_row(numbers, str(len(group)), config.env.id, memory)
    return table


def _ranges(numbers: Sequence[int]) -> str:
    """Increasing numbers in short: 0..1, 4..5."""
    starts = [i for i, n in enumerate(numbers) if i == 0 or n != numbers[i - 1] + 1]
    parts = [numbers[i:j] for i, j in zip(starts, [*starts[1:], len(numbers)], strict=True)]
    return ", ".join(f"{part[0]}..{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)


def _spread(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return f"{np.mean(known):.4g} +- {np.std(known):.2g}" if known else "-"
