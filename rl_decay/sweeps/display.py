"""What a person sees of a sweep: the populations before, progress per arm during."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rl_decay.config.memory import in_words
from rl_decay.config.schema import Config, flat
from rl_decay.narrow import fitted
from rl_decay.runs.arms import arm_names
from rl_decay.sweeps.grouping import Job, Population
from rl_decay.sweeps.workers import Progress as Report
from rl_decay.training.console import progress_columns

log = logging.getLogger("rl_decay")
SILENCE = 10.0  # seconds without a log line
Needed = Callable[[Config, int], int | None]  # bytes of so many members, None = not known


class SweepDisplay:
    """Progress of a sweep, on a terminal as a bar, elsewhere as log lines."""

    def __init__(self, jobs: Sequence[Job], groups: Sequence[Population], workers: int, needed: Needed):
        self._console, self._groups = Console(), groups
        self._arms = arms(jobs)
        self._reports: dict[int, Report] = {}
        self._started = self._spoke = time.monotonic()
        self._bar: Progress | None = None
        if groups:
            self._console.print(fitted(self._console, populations_table(groups, workers, needed)))
        if self._console.is_terminal:
            self._bar = Progress(*progress_columns(), console=self._console)
            self._task = self._bar.add_task("starting", total=sum(map(len, groups)))
            self._bar.start()

    def update(self, report: Report) -> None:
        """Take a population's report, and show it."""
        self._reports[report.population] = report
        members = sum(len(self._groups[i]) * r.iteration / r.num_iterations for i, r in self._reports.items())
        if self._bar is not None:
            self._bar.update(self._task, completed=int(members), description=self._words())
        elif time.monotonic() - self._spoke > SILENCE:
            self._spoke = time.monotonic()
            elapsed, total = self._spoke - self._started, sum(map(len, self._groups))
            left = elapsed * (total / members - 1)
            log.info("%.0f of %d members done, %s, ETA %.0f s", members, total, self._words(), left)

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
