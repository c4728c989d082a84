"""Train populations in worker processes, and live with the death of one."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import torch

from rl_decay import build
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, error_words
from rl_decay.interrupt import SIGNALS, StopRequest, ignored
from rl_decay.machine import resolve_device
from rl_decay.runs.continuation import ENDED
from rl_decay.runs.layout import FAILED, INTERRUPTED, RUNNING, is_run
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.sweeps.grouping import Population
from rl_decay.training.plan import Plan
from rl_decay.training.sinks import RunSink


@dataclass(frozen=True)
class Progress:
    """How far one population is: iterations done and asked, valid steps, and each member's mean return [M]."""

    population: int
    iteration: int
    num_iterations: int
    valid_steps: int
    returns: tuple[float, ...]


Scalars = dict[str, np.ndarray]
Listener = Callable[[Progress], None]
Asked = Callable[[], str | None]  # why to stop, or None
Running = dict[Connection, tuple[BaseProcess, Population]]


class Reporter:
    """A display that hands the progress of a population on, and writes each run's own log."""

    def __init__(self, index: int, population: Population, plan: Plan, listen: Listener, asked: Asked):
        self._index, self._population, self._plan, self._listen, self._asked = index, population, plan, listen, asked

    def iteration(self, iteration: int, runs: Sequence[RunSink], scalars: Scalars, evaluated: bool) -> str | None:
        """Report evaluations (in between little changes), and hand on the wish to stop."""
        if evaluated:
            self._report(iteration, runs)
        return self._asked()

    def _report(self, iteration: int, runs: Sequence[RunSink]) -> None:
        returns = tuple(run.eval_returns[-1] if run.eval_returns else run.return_100 for run in runs)
        steps = sum(run.valid_steps for run in runs)
        self._listen(Progress(self._index, iteration, self._plan.num_iterations, steps, returns))
        moment = time.strftime("%Y-%m-%d %H:%M:%S")
        for job, run, value in zip(self._population, runs, returns, strict=True):
            with open(job.folder / job.log_name, "a") as file:  # opened anew: no file stays open per member
                words = f"return {run.return_100:.1f}, eval {value:.1f}" if run.running else run.status
                file.write(f"[{moment}] iteration {iteration}/{self._plan.num_iterations}, {words}\n")


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the CPU quota of its control group where there is one."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no control group, or no quota ("max")
        return cores


def default_workers(device: str, jobs: int) -> int:
    """One worker per usable core, or per GPU where the jobs run on CUDA; never more than jobs."""
    on_cuda = resolve_device(device).type == "cuda"
    return min(torch.cuda.device_count() if on_cuda else usable_cores(), jobs)


def train(populations: Sequence[Population], workers: int, listen: Listener) -> bool:
    """Train every population, at most `workers` at a time; each job's folder says how it ended.

    With one worker inside this process. A population whose worker dies, or that raises, leaves its unfinished jobs as
    `failed` with the reason; the others go on. Returns False if Ctrl-C or SIGTERM kept some from finishing.
    """
    with StopRequest() as stop:
        if workers == 1:
            for index, population in enumerate(populations):
                _train_one(index, population, listen, lambda: None)
                if stop.signal is not None or _interrupted(population):
                    return False
            return True
        waiting, running, told = deque(enumerate(populations)), Running(), False
        while running or (waiting and stop.signal is None):
            while waiting and len(running) < workers and stop.signal is None:
                index, population = waiting.popleft()
                channel, process = _start(index, population)
                running[channel] = process, population
            _listen_once(running, listen)
            if stop.signal is not None and not told:
                told = True
                for channel in running:
                    channel.send(stop.signal)
        return stop.signal is None


def _listen_once(running: Running, listen: Listener) -> None:
    """Wait a moment for a message of any worker, or for its end."""
    for channel in wait(list(running), timeout=0.5):
        assert isinstance(channel, Connection)
        try:
            listen(channel.recv())
        except (EOFError, ConnectionResetError):  # the worker has ended, one way or another
            process, population = running.pop(channel)
            process.join()
            if process.exitcode:
                _fail(population, f"its worker process died with exit code {process.exitcode}")


def _train_one(index: int, population: Population, listen: Listener, asked: Asked) -> None:
    """Train a population in this process; whatever it raises is written into its summaries."""

    def show(config: Config, plan: Plan, device: str) -> Reporter:
        return Reporter(index, population, plan, listen, asked)

    try:
        build.run(
            [job.config for job in population],
            [job.folder for job in population],
            overrides=[job.overrides for job in population],
            show=show,
        )
    except UserError as error:
        _fail(population, str(error))
    except Exception as error:
        _fail(population, error_words(error))
        traceback.print_exc()


def _start(index: int, population: Population) -> tuple[Connection, BaseProcess]:
    # spawn: a forked copy of a process whose PyTorch has run threads can hang
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(index, population, theirs))
    with ignored(*SIGNALS):
        process.start()
    theirs.close()
    return ours, process


def _work(index: int, population: Population, channel: Connection) -> None:
    """The life of a worker process."""

    def asked() -> str | None:
        try:
            return channel.recv() if channel.poll() else None
        except (EOFError, OSError):
            return "the sweep's main process ended"

    def listen(progress: Progress) -> None:
        with suppress(OSError):  # nobody listens any more; asked() says so
            channel.send(progress)

    try:
        if torch.cuda.is_available():
            torch.cuda.set_device(index % torch.cuda.device_count())
        _train_one(index, population, listen, asked)
    finally:
        channel.close()


def _interrupted(population: Population) -> bool:
    return any(is_run(job.folder) and read_summary(job.folder)["status"] == INTERRUPTED for job in population)


def _fail(population: Population, reason: str) -> None:
    """Say so in the summary of every job that had not ended."""
    for job in population:
        with suppress(UserError):  # its summary is damaged, or another training holds it
            summary = read_summary(job.folder) if is_run(job.folder) else {"overrides": list(job.overrides)}
            if summary.get("status", RUNNING) not in ENDED:
                job.folder.mkdir(parents=True, exist_ok=True)
                with RunLock(job.folder):
                    write_summary(job.folder, {**summary, "status": FAILED, "reason": reason})
