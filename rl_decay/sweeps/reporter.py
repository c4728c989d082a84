"""How far a population is, in words for the sweep's display and for each run's own log."""

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
    """How far one population is: iterations done, asked and found done; runs that have ended, valid steps, and each
    member's mean return [M].
    """

    population: int
    iteration: int
    num_iterations: int
    start: int
    ended: int
    valid_steps: int
    returns: tuple[float, ...]


@dataclass(frozen=True)
class Ended:
    """All runs of a population have ended, in order or not."""

    population: int


Listener = Callable[[Progress | Ended], None]
Asked = Callable[[], str | None]  # why to stop, or None
Scalars = dict[str, np.ndarray]


class Reporter:
    """A display that hands the progress of a population on, and writes each run's own log."""

    def __init__(self, index: int, population: Population, plan: Plan, listen: Listener, asked: Asked):
        self._index, self._population, self._plan, self._listen, self._asked = index, population, plan, listen, asked
        self._reported = self._logged = time.monotonic()

    def iteration(self, iteration: int, runs: Sequence[RunRecorder], scalars: Scalars, evaluated: bool) -> str | None:
        """Report after an evaluation or when it is time, and hand on the wish to stop."""
        now = time.monotonic()
        if evaluated or now - self._reported > REPORT_SECONDS:
            self._reported = now
            self._report(iteration, runs)
        if evaluated or now - self._logged > LOG_SECONDS:
            self._logged = now
            self._write_logs(iteration, runs)
        return self._asked()

    def _report(self, iteration: int, runs: Sequence[RunRecorder]) -> None:
        self._listen(
            Progress(
                population=self._index,
                iteration=iteration,
                num_iterations=self._plan.num_iterations,
                start=self._plan.start,
                ended=sum(not run.running for run in runs),
                valid_steps=sum(run.valid_steps for run in runs),
                returns=tuple(map(_last_return, runs)),
            )
        )

    def _write_logs(self, iteration: int, runs: Sequence[RunRecorder]) -> None:
        moment = time.strftime("%Y-%m-%d %H:%M:%S")
        for job, run in zip(self._population, runs, strict=True):
            words = f"return {run.return_100:.1f}, eval {_last_return(run):.1f}" if run.running else run.status
            # Opened anew, so no file stays open per member. A log without room is no reason to stop, as with one run.
            with suppress(OSError), open(job.folder / job.log_name, "a") as file:
                file.write(f"[{moment}] iteration {iteration}/{self._plan.num_iterations}, {words}\n")


def _last_return(run: RunRecorder) -> float:
    return run.eval_returns[-1] if run.eval_returns else run.return_100
