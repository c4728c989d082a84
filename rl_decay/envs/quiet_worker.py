"""The processes of `vec=async`: they end with their parent, and print no traceback of their own."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from multiprocessing.process import BaseProcess
from typing import Any

from gymnasium.vector.async_vector_env import _async_worker

from rl_decay.envs.faults import WorkerError, described, trace
from rl_decay.system import signals

GRACE = 1.0  # seconds between a process's SIGTERM and its SIGKILL
PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
LEFT_TO_PARENT = (signal.SIGINT, signal.SIGHUP)  # Ctrl-C, and a terminal that was closed


def quiet_worker(index: int, make: Callable[[], Any], pipe: Any, parent_pipe: Any, *more: Any) -> None:
    """Gymnasium's own worker, with three differences.

    It dies with its parent, also inside a step that hangs. Its parent's death is no error of its own, so nothing is
    printed. An error of the task's constructor reaches the parent like one of a step.
    """
    _follow_parent()
    _, errors, *_ = more
    with suppress(Exception, KeyboardInterrupt):  # the pipe is gone, or the task's `close` raised: nobody asks any more
        try:
            env = make()
        except Exception as error:
            parent_pipe.close()
            text = trace(error)
            errors.put((index, WorkerError, WorkerError(described(error), text), text))
            pipe.recv()
            pipe.send((None, False))
            return
        _async_worker(index, lambda: env, pipe, parent_pipe, *more)


def end_processes(processes: Iterable[BaseProcess]) -> None:
    """End processes, also those that ignore SIGTERM or were stopped."""
    alive = [process for process in processes if process.is_alive()]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + GRACE
    for process in alive:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def new_children(before: Iterable[BaseProcess]) -> list[BaseProcess]:
    """Child processes of this one that were not there before."""
    known = set(before)
    return [child for child in multiprocessing.active_children() if child not in known]


def held_back() -> AbstractContextManager[None]:
    """Processes that are forked inside see no Ctrl-C before they know what to do with it."""
    return signals.held_back(*LEFT_TO_PARENT)


def _follow_parent() -> None:
    """Leave Ctrl-C and a closed terminal to the parent, and die by its SIGTERM, or when it dies.

    A fork inherits the handlers of its parent, which may ignore SIGTERM or take it for a request to stop.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals.leave_to_parent(*LEFT_TO_PARENT)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
