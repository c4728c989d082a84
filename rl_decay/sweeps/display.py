"""What a person sees of a sweep: the populations before, progress per arm during, results per arm after."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from rl_decay.config.schema import flat
from rl_decay.runs.layout import FINISHED
from rl_decay.sweeps.grouping import Job, Population, differing_keys
from rl_decay.sweeps.memory import megabytes
from rl_decay.sweeps.workers import Progress as Report
from rl_decay.training.console import progress_columns, shown

log = logging.getLogger("rl_decay")
SILENCE = 10.0  # seconds without a log line


class SweepDisplay:
    """Progress of a sweep, on a terminal as a bar, elsewhere as log lines."""

    def __init__(self, jobs: Sequence[Job], groups: Sequence[Population], workers: int):
        self._console, self._groups = Console(), groups
        self._arms = arms(jobs)
        self._reports: dict[int, Report] = {}
        self._started = self._spoke = time.monotonic()
        self._bar: Progress | None = None
        if groups:
            self._console.print(populations_table(groups, workers))
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

    def results(self, jobs: Sequence[Job], summaries: Sequence[dict[str, Any]]) -> None:
        """Print the results per arm."""
        self._console.print(arms_table(self._arms, jobs, summaries))
        print(f"look at it: tensorboard --logdir {shown(jobs[0].folder.parent)}")

    def _words(self) -> str:
        spread: dict[str, list[float]] = {}
        for index, report in self._reports.items():
            for job, value in zip(self._groups[index], report.returns, strict=True):
                spread.setdefault(self._arms[job.number], []).append(value)
        steps = sum(report.valid_steps for report in self._reports.values())
        rate = steps / max(time.monotonic() - self._started, 1e-9)
        shown = ", ".join(f"{arm}: {_spread(values)}" for arm, values in spread.items())
        return f"{rate:,.0f} steps/s, return {shown}"


CURVES = ("schedule.actor.curve", "schedule.critic.curve")


def arms(jobs: Sequence[Job]) -> dict[int, str]:
    """Job number -> name of its arm: every key in which the jobs differ, the seed aside."""
    keys = [key for key in differing_keys(jobs) if key != "seed"]
    return {job.number: _arm(flat(job.config), keys) for job in jobs}


def _arm(values: dict[str, Any], keys: Sequence[str]) -> str:
    """What a person would type for it: schedule=linear where actor and critic share a curve."""
    shown = {key: values[key] for key in keys}
    if set(CURVES) <= set(keys) and values[CURVES[0]] == values[CURVES[1]]:
        shown = {"schedule": shown.pop(CURVES[0])} | {key: v for key, v in shown.items() if key != CURVES[1]}
    names = {key: key.removesuffix(".curve").replace(".", "/") if key in CURVES else key for key in shown}
    return " ".join(f"{names[key]}={_plain(value)}" for key, value in shown.items()) or "all"


def populations_table(groups: Sequence[Population], workers: int) -> Table:
    """Which jobs train together, and the memory each population is expected to take."""
    title = f"{sum(map(len, groups))} jobs in {len(groups)} population(s), {workers} worker(s)"
    table = Table("jobs", "members", "task", "memory", title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for group in groups:
        config = group[0].config
        numbers = f"{group[0].number}..{group[-1].number}" if len(group) > 1 else str(group[0].number)
        table.add_row(numbers, str(len(group)), config.env.id, f"about {megabytes(config, len(group)):,.0f} MB")
    return table


def arms_table(names: dict[int, str], jobs: Sequence[Job], summaries: Sequence[dict[str, Any]]) -> Table:
    """Mean and standard deviation over the runs of each arm."""
    table = Table(title="Results", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("arm", overflow="fold")
    for name in ("finished", "final return", "osc_late", "retention"):
        table.add_column(name, justify="right", no_wrap=True)
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for job, summary in zip(jobs, summaries, strict=True):
        by_arm.setdefault(names[job.number], []).append(summary)
    for arm, runs in by_arm.items():
        finished = sum(run.get("status") == FINISHED for run in runs)
        columns = (_spread([run.get(key) for run in runs]) for key in ("final_return", "osc_late", "retention"))
        table.add_row(arm, f"{finished} of {len(runs)}", *columns)
    return table


def _plain(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _spread(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return f"{np.mean(known):.4g} +- {np.std(known):.2g}" if known else "-"
