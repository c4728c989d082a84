"""The life of a worker process: it trains one population and tells the sweep's main process how that goes.

PyTorch is imported inside `work`, after the first heartbeat: that may take long, or fail.
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
    """The message of a worker that is alive and has nothing else to say."""


@dataclass(frozen=True)
class Farewell:
    """A worker's last message: the failures that no summary.json could take."""

    unrecorded: Sequence[Unrecorded]


def work(index: int, population: Population, channel: Connection) -> None:
    """Train a population in a process of its own; whatever happens, the last message is a Farewell."""
    leave_to_parent(*SIGNALS)
    keep_output()
    line = _Line(channel)
    unrecorded: Sequence[Unrecorded] = ()
    try:
        import torch

        from rl_decay.sweeps.train_jobs import train_jobs

        if torch.cuda.is_available():
            torch.cuda.set_device(index % torch.cuda.device_count())
        unrecorded = train_jobs(index, population, line.send, line.asked)
    except BaseException as error:
        unrecorded = record_endings(population, FAILED, error_words(error))
    finally:
        line.close(Farewell(unrecorded))


class _Line:
    """The way to the main process, for the training and the heartbeat of a worker."""

    def __init__(self, channel: Connection):
        self._channel = channel
        self._lock = threading.Lock()  # two threads that send at once would mix their bytes
        self._over = threading.Event()
        self.send(Heartbeat())
        threading.Thread(target=self._beat, daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message; nothing happens where nobody listens any more, for `asked` says so.

        Only a Farewell waits for a main process that has been stopped; training does not.
        """
        with self._lock, suppress(OSError):
            if isinstance(message, Farewell) or self._has_room():
                self._channel.send(message)

    def asked(self) -> str | None:
        """Why the main process wants this worker to stop, or None."""
        try:
            return self._channel.recv() if self._channel.poll() else None
        except (EOFError, OSError):
            return "the sweep's main process ended"

    def close(self, farewell: Farewell) -> None:
        """Send the last message."""
        self._over.set()
        self.send(farewell)
        self._channel.close()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.send(Heartbeat())

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLOUT)
        return bool(poll.poll(0))
