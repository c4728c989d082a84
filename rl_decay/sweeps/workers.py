"""Train populations in worker processes; a worker may die, hang or stop reporting without harm to the others."""

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
from rl_decay.sweeps.reporter import Listener, PopulationEnded, Progress
from rl_decay.sweeps.train_jobs import train_jobs
from rl_decay.sweeps.worker import Farewell, work
from rl_decay.system.signals import LOST, SIGNALS, StopRequest, held_back
from rl_decay.training.device import resolve_device

log = logging.getLogger("rl_decay")
# Seconds.
HEARTBEAT_TIMEOUT = 5.0  # without a message, until a warning says that the worker does not answer
STARTUP_TIMEOUT = 60.0  # the same before the first progress: the imports and the task may block the heartbeat's thread
MESSAGE_WAIT = 0.5  # of one wait for messages
EXIT_TIMEOUT = 10.0  # from a worker's farewell to the end of its process


@dataclass
class Outcome:
    """How a sweep's training ended.

    complete: no signal kept a population from finishing. unrecorded: failures that no summary.json could take.
    """

    complete: bool
    unrecorded: list[Unrecorded] = field(default_factory=list)


@dataclass
class _Worker:
    """A worker process; `deadline` is the time by which its next message is due."""

    index: int
    population: Population
    process: BaseProcess
    channel: Connection
    deadline: float
    farewell: Farewell | None = None
    starting: bool = True
    silent: bool = False

    def take(self, message: object) -> None:
        """Note a message: the worker is alive until the next deadline."""
        if isinstance(message, Farewell):
            self.farewell = message
        elif isinstance(message, Progress):
            self.starting = False
        self.deadline = time.monotonic() + (STARTUP_TIMEOUT if self.starting else HEARTBEAT_TIMEOUT)
        if self.silent:
            self.silent = False
            log.info("worker process %d answers again", self.process.pid)


def usable_cores() -> int:
    """Cores this process may use: its affinity, and the CPU quota of its control group (containers have one)."""
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
    `failed` with the reason; the others go on. The outcome is not complete if a signal kept some from finishing.
    """
    if workers == 1:
        return _train_here(populations, listen)
    pool = _Pool(populations, workers, listen)
    with StopRequest("the worker processes to finish their iterations and save") as stop:
        try:
            pool.train(stop)
        except KeyboardInterrupt:  # a second signal
            pool.kill()
    # After the `with`: inside, the StopRequest would end this process if writing took long after the second signal.
    pool.record_killed()
    return Outcome(stop.signal is None, pool.unrecorded)


def _train_here(populations: Sequence[Population], listen: Listener) -> Outcome:
    unrecorded: list[Unrecorded] = []
    with StopRequest() as stop:
        for index, population in enumerate(populations):
            if stop.signal is not None:
                return Outcome(False, unrecorded)
            unrecorded += train_jobs(index, population, listen, lambda: stop.signal)
            listen(PopulationEnded(index))
            # The statuses decide after the last population: a signal in its last iteration leaves nothing unfinished.
            if _was_interrupted(population):
                return Outcome(False, unrecorded)
    return Outcome(True, unrecorded)


class _Pool:
    """The worker processes of a sweep, and the populations that wait for one."""

    def __init__(self, populations: Sequence[Population], size: int, listen: Listener):
        self._waiting = deque(enumerate(populations))
        self._size = size
        self._listen = listen
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
            self._warn_of_silent()
            if stop.signal is not None and not stop_sent:
                stop_sent = True
                for worker in self._running.values():
                    _send(worker.channel, stop.signal)

    def kill(self) -> None:
        """End the workers at once."""
        for worker in self._running.values():
            worker.process.kill()

    def record_killed(self) -> None:
        """Wait for the ends of workers that were killed, and record their jobs as interrupted."""
        for worker in self._running.values():
            worker.process.join()
            self._record(worker, INTERRUPTED, f"a second signal: {LOST}")
        self._running.clear()

    def _receive(self) -> None:
        """Wait a moment for messages of the workers, or for the end of one."""
        for channel in wait(list(self._running), timeout=MESSAGE_WAIT):
            assert isinstance(channel, Connection)
            worker = self._running[channel]
            try:
                message = channel.recv()
            except (EOFError, OSError):  # the worker has ended, perhaps in the middle of a message
                self._end(worker)
                # Removed only now: if a second signal comes while `_end` waits, `kill` must still find this worker.
                del self._running[channel]
                self._listen(PopulationEnded(worker.index))
                continue
            worker.take(message)
            if isinstance(message, Progress):
                self._listen(message)

    def _end(self, worker: _Worker) -> None:
        """Wait for a worker that has closed its channel, and record its jobs."""
        worker.process.join(EXIT_TIMEOUT)
        if worker.process.is_alive():  # it hangs at its exit, on a thread or process that a task left behind
            worker.process.kill()
            worker.process.join()
        worker.channel.close()
        self._record(worker, FAILED, f"its worker process died with exit code {worker.process.exitcode}")

    def _record(self, worker: _Worker, status: str, reason: str) -> None:
        """Record how a worker's jobs ended; a worker with a farewell has done so itself."""
        if worker.farewell is None:
            self.unrecorded += record_endings(worker.population, status, reason, make_folders=True)
        else:
            self.unrecorded += worker.farewell.unrecorded

    def _warn_of_silent(self) -> None:
        """Warn once of each worker whose message is overdue."""
        now = time.monotonic()
        absence = now - self._listened
        self._listened = now
        for worker in self._running.values():
            # This process itself was stopped, or waited for the end of another worker: the messages are still unread.
            if absence > 2 * MESSAGE_WAIT:
                worker.deadline += absence
            elif not worker.silent and now > worker.deadline:
                worker.silent = True
                jobs = f"jobs {worker.population[0].number} to {worker.population[-1].number}"
                pid = worker.process.pid
                log.warning("worker process %d (%s) does not answer: %s", pid, jobs, _explained_silence(pid))


def _explained_silence(pid: int | None) -> str:
    """The likely reason why a process sends no heartbeat, and what a person can do."""
    ending = f"`kill -9 {pid}` ends it, and its jobs count as failed"
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:  # a system without /proc
        causes = "busy in code that does not let Python run, swapped out or stopped"
        return f"it is {causes}. If it does not come back, {ending}"
    state = stat.rpartition(b")")[2].split()[0]  # the name in front may hold spaces and parentheses
    if state == b"T":
        return f"it is stopped. `kill -CONT {pid}` lets it go on; {ending}"
    return f"it is busy in code that does not let Python run, or swapped out. If it does not come back, {ending}"


def _start(index: int, population: Population) -> _Worker:
    """Start a worker process for a population."""
    # Spawn, not fork: a forked copy of a process in which PyTorch has run threads can hang.
    context = multiprocessing.get_context("spawn")
    own_end, worker_end = context.Pipe()
    process = context.Process(target=work, args=(index, population, worker_end))
    # A Ctrl-C reaches the whole process group. Held back, it does not kill the child before `leave_to_parent`.
    # The tracker is started first, on its own: `start` would start it, and Python 3.11 unblocks the signals after that.
    with held_back(*SIGNALS):
        resource_tracker.ensure_running()
    with held_back(*SIGNALS):
        process.start()
    worker_end.close()  # or the channel would not report the end of the worker
    return _Worker(index, population, process, own_end, deadline=time.monotonic() + STARTUP_TIMEOUT)


def _send(channel: Connection, message: str) -> None:
    with suppress(OSError):  # the worker has ended; `_receive` will notice
        channel.send(message)


def _was_interrupted(population: Population) -> bool:
    """Whether a signal stopped a run of this population."""
    for job in population:
        with suppress(UserError):  # somebody removed or damaged its summary
            if is_run(job.folder) and read_summary(job.folder)["status"] == INTERRUPTED:
                return True
    return False
