"""A worker process: it trains one population and reports to the sweep's main process.

PyTorch is imported inside `work`, after the first heartbeat: the import may take long, or fail.
"""

from __future__ import annotations

import select
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from rl_decay.errors import error_words
from rl_decay.runs.layout import FAILED
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.record_endings import Unrecorded, record_endings
from rl_decay.system.signals import SIGNALS, leave_to_parent
from rl_decay.system.stdout import keep_output

HEARTBEAT_SECONDS = 1.0


class Heartbeat:
    """The message of a worker that is alive and has nothing else to report."""


@dataclass(frozen=True)
class Farewell:
    """A worker's last message: the failures that no summary.json could take."""

    unrecorded: Sequence[Unrecorded]


def work(index: int, population: Population, channel: Connection) -> None:
    """Train a population in a process of its own; the last message is a Farewell, also after an error."""
    leave_to_parent(*SIGNALS)  # first, because the parent started this process with the signals held back
    keep_output()
    main_process = _MainProcess(channel)
    unrecorded: Sequence[Unrecorded] = ()
    try:
        import torch

        from rl_decay.sweeps.train_jobs import train_jobs

        if torch.cuda.is_available():
            torch.cuda.set_device(index % torch.cuda.device_count())
        unrecorded = train_jobs(index, population, main_process.send, main_process.stop_reason)
    except BaseException as error:
        unrecorded = record_endings(population, FAILED, error_words(error))
    finally:
        main_process.close(Farewell(unrecorded))


class _MainProcess:
    """The main process as a worker sees it: takes messages of training and heartbeat, gives the reason to stop."""

    def __init__(self, channel: Connection):
        self._channel = channel
        self._lock = threading.Lock()  # the messages of two threads that send at once would mix their bytes
        self._closing = threading.Event()
        self.send(Heartbeat())
        # A daemon, so that it does not keep alive a worker whose main thread has ended.
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message, without an error if the main process has ended: `stop_reason` reports that.

        If the main process was stopped (Ctrl-Z), the pipe fills up. Then all messages but a Farewell are dropped, so
        that training goes on.
        """
        with self._lock, suppress(OSError):
            if isinstance(message, Farewell) or self._has_room():
                self._channel.send(message)

    def stop_reason(self) -> str | None:
        """Why the main process wants this worker to stop, or None."""
        try:
            return self._channel.recv() if self._channel.poll() else None
        except (EOFError, OSError):
            return "the sweep's main process ended"

    def close(self, farewell: Farewell) -> None:
        """Send the last message."""
        self._closing.set()
        self.send(farewell)
        self._channel.close()

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_SECONDS):
            self.send(Heartbeat())

    def _has_room(self) -> bool:
        """Whether the pipe takes a message now, without waiting for the main process to read."""
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLOUT)
        return bool(poll.poll(0))
