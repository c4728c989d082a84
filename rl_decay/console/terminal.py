"""The terminal of one run: tables before and after training, a progress bar or log lines during it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from rl_decay.config.plan import Plan
from rl_decay.config.schema import Config
from rl_decay.config.trust import modules_to_trust
from rl_decay.console import duration
from rl_decay.console.run_tables import plan_table, results_table, schedule_table
from rl_decay.errors import one_line
from rl_decay.runs.continuation import continue_command
from rl_decay.runs.files import entries
from rl_decay.runs.layout import EVENTS, INTERRUPTED
from rl_decay.runs.recorder import RunRecorder
from rl_decay.system.narrow import fitted
from rl_decay.system.shell import as_typed
from rl_decay.types import GROUPS

log = logging.getLogger("rl_decay")
LOG_SECONDS = 10.0  # the longest time without a log line
SPEED_KNOWN = 3  # iterations after which a run's duration is estimated: the first is slower than the next ones
WIDE = 115  # columns of a terminal that has room for the rates


class Terminal:
    """A progress bar on a terminal; elsewhere plain log lines, at evaluations and every ten seconds."""

    def __init__(self) -> None:
        self._console = Console()
        self._bar: Progress | None = None
        self._muted: list[logging.Handler] = []

    def show_plan(self, config: Config, plan: Plan, device: str) -> Terminal:
        """Print the plan and begin to show progress."""
        for table in (plan_table(config, plan, device), schedule_table(config, plan)):
            self._console.print(fitted(self._console, table))
        self._plan = plan
        self._started = time.monotonic()
        self._logged = self._started
        if self._console.is_terminal:
            self._mute_log()
            self._bar = Progress(*progress_columns(), console=self._console)
            self._task = self._bar.add_task("starting", total=plan.num_iterations)
            self._bar.start()
        return self

    def iteration(
        self, iteration: int, runs: Sequence[RunRecorder], scalars: dict[str, np.ndarray], evaluated: bool
    ) -> None:
        """Show an iteration: return, steps/s, time left, both rates."""
        narrow = self._bar is not None and self._console.width < WIDE
        words = partial(_progress_words, runs, scalars, narrow)  # not computed in iterations that show nothing
        if self._bar is not None:
            self._bar.update(self._task, completed=iteration, description=words())
        # In this process: iterations of former processes took none of its time.
        trained = iteration - self._plan.start
        remaining = self._plan.num_iterations - iteration
        seconds_left = duration.remaining(time.monotonic() - self._started, trained, remaining)
        if trained == SPEED_KNOWN and remaining:
            log.info("it will take about %s at this speed, evaluations aside", duration.in_words(seconds_left))
        if evaluated or time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            log.info("iteration %d/%d, %s, ETA %.0f s", iteration, self._plan.num_iterations, words(), seconds_left)

    def stop(self) -> None:
        """Remove the bar and let the log show all its lines again."""
        if self._bar is not None:
            self._bar.stop()
        for handler in self._muted:  # also after an exception in training, whose message must be seen
            handler.removeFilter(_warnings_only)

    def results(self, summaries: Sequence[dict[str, Any]], folder: Path) -> None:
        """Print how the runs ended and how to look at them."""
        self._console.print(fitted(self._console, results_table(summaries)))
        for summary in summaries:
            if summary["reason"]:
                print(f"{summary['status']}: {one_line(summary['reason'])}")
        print(f"folder: {as_typed(folder)}")
        if any(summary["status"] == INTERRUPTED for summary in summaries):
            trust: list[str] = []
            for summary in summaries:
                trust += modules_to_trust(summary["config"])
            print(f"continue it: {continue_command(folder, trust)}")
        if any(path.name.startswith(EVENTS) for path in entries(folder)):
            print(f"look at it: tensorboard --logdir {as_typed(folder)}")

    def _mute_log(self) -> None:
        """While the bar is on the screen, log lines below a warning go to the file alone: they would tear the bar."""
        # The exact type: a FileHandler is a StreamHandler too.
        self._muted = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
        for handler in self._muted:
            handler.addFilter(_warnings_only)


def progress_columns(count: ProgressColumn | None = None) -> tuple[ProgressColumn, ...]:
    """A bar, a count (by default of iterations), the time left, and a description, which is cut first."""
    fixed = Column(no_wrap=True, min_width=7)
    return (
        BarColumn(12),
        count or MofNCompleteColumn(table_column=fixed),
        TimeRemainingColumn(table_column=fixed),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )


def _progress_words(runs: Sequence[RunRecorder], scalars: dict[str, np.ndarray], narrow: bool) -> str:
    running = [run for run in runs if run.running]
    returns = [run.return_100 for run in running]
    evaluations = [run.eval_returns[-1] for run in running if run.eval_returns]
    speed = sum(run.valid_steps for run in runs) / runs[0].wall_seconds
    evaluation = f", eval {_mean(evaluations)}" if evaluations else ""
    words = f"return {_mean(returns)}{evaluation}, {speed:,.0f} steps/s"
    if narrow:
        return words
    rates = " ".join(f"{group} {scalars[f'lr/{group}'][0]:.2e}" for group in GROUPS)
    return f"{words}, lr {rates}"


def _warnings_only(line: logging.LogRecord) -> bool:
    return line.levelno >= logging.WARNING


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f}" if values and not np.isnan(values).any() else "-"
