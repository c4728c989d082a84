"""Train populations in worker processes, and live with one that dies, hangs or says nothing."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from rl_decay.errors import UserError
from rl_decay.runs.layout import FAILED, INTERRUPTED, is_run
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.record_endings import Unrecorded, record_endings
from rl_decay.sweeps.reporter import Ended, Listener, Progress
from rl_decay.sweeps.train_jobs import train_jobs
from rl_decay.sweeps.worker import Farewell, work
from rl_decay.system.signals import LOST, SIGNALS, StopRequest, held_back
from rl_decay.training.device import resolve_device

log = logging.getLogger("rl_decay")
SILENCE = 5.0  # seconds without a heartbeat until a worker counts as one that does not answer
STARTING = 60.0  # the same before the first progress: importing PyTorch and making a task may keep Python from running
WAIT = 0.5  # seconds for messages
GRACE = 10.0  # seconds from a worker's farewell to its end


@dataclass
class Outcome:
    """How a sweep's training ended: whether all of it was done, and the failures that no summary.json could take."""

    whole: bool
    unrecorded: list[Unrecorded] = field(default_factory=list)


@dataclass
class _Worker:
    """A worker process, and when it has to be heard of again."""

    index: int
    population: Population
    process: BaseProcess
    channel: Connection
    deadline: float
    farewell: Farewell | None = None
    starting: bool = True
    silent: bool = False

    def heard(self, message: object) -> None:
        if isinstance(message, Progress):
            self.starting = False
        self.deadline = time.monotonic() + (STARTING if self.starting else SILENCE)
        if self.silent:
            self.silent = False
            log.info("worker process %d answers again", self.process.pid)


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


def train(populations: Sequence[Population], workers: int, listen: Listener) -> Outcome:
    """Train every population, at most `workers` at a time; each job's folder says how it ended.

    With one worker inside this process. A population whose worker dies, or that raises, leaves its unfinished jobs as
    `failed` with the reason; the others go on. The outcome is not whole if a signal kept some from finishing.
    """
    if workers == 1:
        return _train_here(populations, listen)
    pool = _Pool(populations, workers, listen)
    with StopRequest("the worker processes to finish their iterations and save") as stop:
        try:
            pool.train(stop)
        except KeyboardInterrupt:  # a second signal
            pool.kill()
    pool.record_killed()  # out here: a StopRequest ends this process if its second signal is not answered soon
    return Outcome(stop.signal is None, pool.unrecorded)


def _train_here(populations: Sequence[Population], listen: Listener) -> Outcome:
    outcome = Outcome(whole=True)
    with StopRequest() as stop:
        for index, population in enumerate(populations):
            if stop.signal is not None:
                return Outcome(False, outcome.unrecorded)
            outcome.unrecorded += train_jobs(index, population, listen, lambda: stop.signal)
            listen(Ended(index))
            if _interrupted(population):
                return Outcome(False, outcome.unrecorded)
    return outcome


class _Pool:
    """The worker processes of a sweep, and the populations that wait for one."""

    def __init__(self, populations: Sequence[Population], size: int, listen: Listener):
        self._waiting, self._size, self._listen = deque(enumerate(populations)), size, listen
        self._running: dict[Connection, _Worker] = {}
        self._listened = time.monotonic()  # when this process last waited for messages
        self.unrecorded: list[Unrecorded] = []

    def train(self, stop: StopRequest) -> None:
        """Train everything, or until a signal has stopped all workers."""
        stop_sent = False
        while self._running or (self._waiting and stop.signal is None):
            while self._waiting and len(self._running) < self._size and stop.signal is None:
                worker = _start(*self._waiting.popleft())
                self._running[worker.channel] = worker
            self._receive()
            self._name_silent()
            if stop.signal is not None and not stop_sent:
                stop_sent = True
                for worker in self._running.values():
                    _send(worker.channel, stop.signal)

    def kill(self) -> None:
        """End the workers at once."""
        for worker in self._running.values():
            worker.process.kill()

    def record_killed(self) -> None:
        """Wait for the ends of workers that were killed, and write them down."""
        for worker in self._running.values():
            worker.process.join()
            self._record(worker, INTERRUPTED, f"a second signal: {LOST}")
        self._running.clear()

    def _receive(self) -> None:
        """Wait a moment for messages of the workers, or for their ends."""
        for channel in wait(list(self._running), timeout=WAIT):
            assert isinstance(channel, Connection)
            worker = self._running[channel]
            try:
                message = channel.recv()
            except (EOFError, OSError):  # it has ended, perhaps in the middle of a message
                self._end(worker)
                del self._running[channel]  # not before: a second signal must find it while `_end` waits for it
                self._listen(Ended(worker.index))
                continue
            worker.heard(message)
            if isinstance(message, Farewell):
                worker.farewell = message
            elif isinstance(message, Progress):
                self._listen(message)

    def _end(self, worker: _Worker) -> None:
        worker.process.join(GRACE)
        if worker.process.is_alive():  # it has said goodbye, and hangs on something that its task left behind
            worker.process.kill()
            worker.process.join()
        worker.channel.close()
        self._record(worker, FAILED, f"its worker process died with exit code {worker.process.exitcode}")

    def _record(self, worker: _Worker, status: str, reason: str) -> None:
        """Write how a worker's jobs ended, unless its farewell says that it has done so itself."""
        if worker.farewell is None:
            self.unrecorded += record_endings(worker.population, status, reason, begin=True)
        else:
            self.unrecorded += worker.farewell.unrecorded

    def _name_silent(self) -> None:
        now = time.monotonic()
        deaf, self._listened = now - self._listened, now
        for worker in self._running.values():
            if deaf > 2 * WAIT:  # this process was stopped, or waited for another worker: its messages wait here
                worker.deadline += deaf
            elif not worker.silent and now > worker.deadline:
                worker.silent = True
                jobs = f"jobs {worker.population[0].number} to {worker.population[-1].number}"
                pid = worker.process.pid
                log.warning("worker process %d (%s) does not answer: %s", pid, jobs, _explained_silence(pid))


def _explained_silence(pid: int | None) -> str:
    """What may keep a process from its heartbeat, as far as the system tells, and what a person can do."""
    ending = f"`kill -9 {pid}` ends it, and its jobs count as failed"
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # a system without /proc
        causes = "busy in code that does not let Python run, swapped out or stopped"
        return f"it is {causes}. If it does not come back, {ending}"
    state = stat.rpartition(b")")[2].split()[0]  # the program's name before it may hold spaces and parentheses
    if state == b"T":
        return f"it is stopped. `kill -CONT {pid}` lets it go on; {ending}"
    return f"it is busy in code that does not let Python run, or swapped out. If it does not come back, {ending}"


def _start(index: int, population: Population) -> _Worker:
    # spawn: a forked copy of a process whose PyTorch has run threads can hang
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(index, population, theirs))
    with held_back(*SIGNALS):
        resource_tracker.ensure_running()  # `start` would do so, and Python 3.11 unblocks signals behind it
    with held_back(*SIGNALS):
        process.start()
    theirs.close()
    return _Worker(index, population, process, ours, deadline=time.monotonic() + STARTING)


def _send(channel: Connection, message: str) -> None:
    with suppress(OSError):  # the worker has ended, as `_receive` will find
        channel.send(message)


def _interrupted(population: Population) -> bool:
    for job in population:
        with suppress(UserError):  # somebody removed or damaged its summary
            if is_run(job.folder) and read_summary(job.folder)["status"] == INTERRUPTED:
                return True
    return False
