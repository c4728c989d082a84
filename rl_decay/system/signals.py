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
PATIENCE = 1.5  # seconds from a first signal to the line that asks for patience, and from a second to a forced end
INTERRUPTED_CODE = 130  # the exit code of a program that Ctrl-C ended, as shells count: 128 + SIGINT
END_OF_WATCH = b"\0"  # a byte in the wakeup pipe; no signal has this number
LOST = "what came after the last checkpoint is lost"

log = logging.getLogger("rl_decay")


class StopRequest:
    """`with StopRequest() as stop:` sets `stop.signal` to the name of the first signal; a second one ends at once.

    A signal that the process ignores (nohup) stays ignored. A signal inside two nested StopRequests reaches both.
    Until the first signal is answered, a log line says that the program waits for `waits_for`. A second signal raises
    KeyboardInterrupt. If the main thread cannot raise it, because it is inside a task's C code, `last_words` is called
    from another thread and the process ends with exit code 130.
    """

    def __init__(
        self, waits_for: str = "the iteration in progress", last_words: Callable[[], None] = lambda: None
    ) -> None:
        self.signal: str | None = None
        self._waits_for = waits_for
        self._last_words = last_words
        self._old_handlers: dict[int, object] = {}
        self._watch: _Watch | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is not threading.main_thread():
            return self  # only the main thread may set handlers; in another one no signal is caught
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:
                self._old_handlers[number] = signal.signal(number, self._handle)
        if self._old_handlers:
            self._watch = _Watch(self._waits_for, self._last_words)
        return self

    def __exit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.stop()
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
            # If the old handler belongs to an outer StopRequest, the signal is a request to it too.
            outer = getattr(handler, "__self__", None)
            if isinstance(outer, StopRequest):
                outer.signal = outer.signal or self.signal

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:  # the second signal
            raise KeyboardInterrupt
        self.signal = signal.Signals(number).name


@contextmanager
def watched(waits_for: str) -> Iterator[None]:
    """Like a StopRequest, end the process at a second signal even if the main thread hangs inside C code."""
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

    Python runs a signal's handler between two instructions of the main thread, so never while a task hangs in C. But
    the interpreter writes the number of each signal into its wakeup pipe at once, and this thread reads the pipe.
    """

    def __init__(self, waits_for: str, last_words: Callable[[], None]):
        self._waits_for = waits_for
        self._last_words = last_words
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)  # set_wakeup_fd refuses a blocking descriptor
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread: the signals have been answered, or none came."""
        signal.set_wakeup_fd(self._old_wakeup)
        # Closing the pipe would not wake the thread if a process forked meanwhile still has a copy open.
        os.write(self._writer, END_OF_WATCH)
        self._thread.join()
        os.close(self._writer)
        os.close(self._reader)

    def _run(self) -> None:
        poll = select.poll()  # not select.select, which takes no descriptor beyond 1023
        poll.register(self._reader, select.POLLIN)
        count = 0  # signals so far
        impatient = False  # whether PATIENCE seconds without another byte have a consequence
        while True:
            if poll.poll(1000 * PATIENCE if impatient else None):
                numbers = os.read(self._reader, 64)
                if END_OF_WATCH in numbers:
                    return
                count += sum(number in SIGNALS for number in numbers)
                impatient = count > 0
            elif count == 1:
                impatient = False  # the line is written once
                log.warning("stopping: waiting for %s; a second Ctrl-C ends at once, and %s", self._waits_for, LOST)
            else:  # PATIENCE seconds after a second signal this thread still runs: the main thread hangs
                self._last_words()
                os.write(2, f"ended by a second signal; {LOST}\n".encode())
                os._exit(INTERRUPTED_CODE)  # not sys.exit: that would end this thread alone


@contextmanager
def held_back(*numbers: int) -> Iterator[None]:
    """Child processes started inside get none of these signals before they call `leave_to_parent`.

    In this process the handler of the first signal runs at the end of the block, a second signal's at once. A handler
    that raises KeyboardInterrupt inside could be lost: Python drops exceptions during the hooks that run at a fork.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    arrived: list[int] = []
    handlers = {}

    def note(number: int, frame: FrameType | None) -> None:
        if arrived:
            handlers[number](number, frame)
        arrived.append(number)

    for number in numbers:
        handler = signal.getsignal(number)
        if callable(handler):
            handlers[number] = handler
            signal.signal(number, note)
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # a child inherits the mask
    try:
        yield
    finally:
        # The mask first, while `note` is still the handler: a signal blocked in this thread arrives now.
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in arrived[:1]:
            handlers[number](number, None)


def leave_to_parent(*numbers: int) -> None:
    """In a child process: ignore the signals that were held back. The parent handles them and stops its children."""
    # Ignored before the mask is lifted, or a signal that waits would end this process.
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
