"""Ctrl-C, SIGTERM and SIGHUP as a request: the iteration in progress is finished, then the run ends in order."""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 1.5  # seconds until a person hears that the program waits, and from a second signal to a forced end
INTERRUPTED_CODE = 130
STOP = b"\0"  # no signal has this number
LOST = "what came after the last checkpoint is lost"

log = logging.getLogger("rl_decay")


class StopRequest:
    """`with StopRequest() as stop:` makes `stop.signal` the name of the first signal; a second one ends at once.

    A signal that the process was told to ignore stays ignored. One that comes inside two of these `with` is a request
    to both. While the first one is not answered, a line says that the program `waits_for` something. A second one
    raises KeyboardInterrupt; where the main thread is inside a task's C code and cannot raise it, `last_words` is
    called from another thread and the process ends with exit code 130.
    """

    def __init__(
        self, waits_for: str = "the iteration in progress", last_words: Callable[[], None] = lambda: None
    ) -> None:
        self.signal: str | None = None
        self._waits_for, self._last_words = waits_for, last_words
        self._before: dict[int, object] = {}
        self._watch: _Watch | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self  # only the main thread may set handlers; elsewhere nothing changes
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        if self._before:
            self._watch = _Watch(self._waits_for, self._last_words)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.stop()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, StopRequest):
                outer.signal = outer.signal or self.signal

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name


@contextmanager
def watched(waits_for: str) -> Iterator[None]:
    """Answer a Ctrl-C that the main thread cannot, because it hangs inside C code, as a StopRequest does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(waits_for, lambda: None)
    try:
        yield
    finally:
        watch.stop()


class _Watch:
    """A thread that sees every signal at once, also while the main thread is inside C code.

    Python runs a handler between two instructions of the main thread; a task that hangs in C never comes to the next
    one. The interpreter writes the number of each signal into its wakeup pipe before that, and this thread reads it.
    """

    def __init__(self, waits_for: str, last_words: Callable[[], None]):
        self._waits_for, self._last_words = waits_for, last_words
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)  # set_wakeup_fd demands it
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread: the signals have been answered, or none came."""
        signal.set_wakeup_fd(self._before)
        os.write(self._writer, STOP)  # closing it alone would not do: processes that were forked meanwhile have it too
        self._thread.join()
        os.close(self._writer)
        os.close(self._reader)

    def _run(self) -> None:
        poll = select.poll()  # `select` itself takes no descriptor beyond 1023
        poll.register(self._reader, select.POLLIN)
        signals, waiting = 0, False
        while True:
            if poll.poll(1000 * PATIENCE if waiting else None):
                numbers = os.read(self._reader, 64)
                if STOP in numbers:
                    return
                signals += sum(number in SIGNALS for number in numbers)
                waiting = signals > 0
            elif signals == 1:
                waiting = False
                log.warning("stopping: waiting for %s; a second Ctrl-C ends at once, and %s", self._waits_for, LOST)
            else:
                self._last_words()
                os.write(2, f"ended by a second signal; {LOST}\n".encode())
                os._exit(INTERRUPTED_CODE)


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Processes that are started inside see none of these signals before they `leave_to_parent`.

    Here the first one is answered at the end, a second one at once. An answer inside could be lost: Python drops what a
    handler raises while a fork runs the hooks that modules have left for it.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            handlers[number](number, frame)
        came.append(number)

    handlers = {}
    for number in numbers:
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
            signal.signal(number, note)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)  # one that this thread alone could take comes now
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came[:1]:
            handlers[number](number, None)


def leave_to_parent(*numbers: int) -> None:
    """Ignore signals that were held back from this process: whoever started it answers, and tells it."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
