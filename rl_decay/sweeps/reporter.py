"""The progress of one population, as messages for the sweep's display and as lines in each run's own log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from rl_decay.config.plan import Plan
from rl_decay.runs.recorder import RunRecorder
from rl_decay.sweeps.grouping import Population

REPORT_SECONDS = 1.0  # between two reports to the display
LOG_SECONDS = 10.0  # between two lines of a run's log


@dataclass(frozen=True)
class Progress:
    """The progress of one population, by its index in the sweep.

    iteration, num_iterations: done and planned. start: done by former processes. ended: runs that have ended.
    returns: each member's latest mean return [M].
    """

    population: int
    iteration: int
    num_iterations: int
    start: int
    ended: int
    valid_steps: int
    returns: tuple[float, ...]


@dataclass(frozen=True)
class PopulationEnded:
    """All runs of a population have ended, in order or not."""

    population: int


Listener = Callable[[Progress | PopulationEnded], None]
StopReason = Callable[[], str | None]  # why the population must stop, or None
Scalars = dict[str, np.ndarray]


class Reporter:
    """A display that passes the progress of a population on, and writes each run's own log."""

    def __init__(self, index: int, population: Population, plan: Plan, listen: Listener, stop_reason: StopReason):
        self._index = index
        self._population = population
        self._plan = plan
        self._listen = listen
        self._stop_reason = stop_reason
        self._reported = time.monotonic()
        self._logged = self._reported

    def iteration(self, iteration: int, runs: Sequence[RunRecorder], scalars: Scalars, evaluated: bool) -> str | None:
        """Report after an evaluation and every REPORT_SECONDS; returns why training must stop, or None."""
        now = time.monotonic()
        if evaluated or now - self._reported > REPORT_SECONDS:
            self._reported = now
            self._report(iteration, runs)
        if evaluated or now - self._logged > LOG_SECONDS:
            self._logged = now
            self._write_logs(iteration, runs)
        return self._stop_reason()

    def _report(self, iteration: int, runs: Sequence[RunRecorder]) -> None:
        progress = Progress(
            population=self._index,
            iteration=iteration,
            num_iterations=self._plan.num_iterations,
            start=self._plan.start,
            ended=sum(not run.running for run in runs),
            valid_steps=sum(run.valid_steps for run in runs),
            returns=tuple(_latest_return(run) for run in runs),
        )
        self._listen(progress)

    def _write_logs(self, iteration: int, runs: Sequence[RunRecorder]) -> None:
        timestamp = time.strftime("%Y-%m-%d %H:%M:%S")
        for job, run in zip(self._population, runs, strict=True):
            words = run.status
            if run.running:
                words = f"return {run.return_100:.1f}, eval {_latest_return(run):.1f}"
            # Opened anew for each line, or every member would cost an open file. A full disk does not end the training:
            # a single run goes on without its log too.
            with suppress(OSError), open(job.folder / job.log_name, "a") as file:
                file.write(f"[{timestamp}] iteration {iteration}/{self._plan.num_iterations}, {words}\n")


def _latest_return(run: RunRecorder) -> float:
    """The return of the latest evaluation, or of the training episodes before the first evaluation."""
    return run.eval_returns[-1] if run.eval_returns else run.return_100
