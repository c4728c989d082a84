"""The worker processes of `vec=async`: they end with their parent, and print no traceback."""

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

    It dies with its parent, also inside a step that hangs. It prints nothing when its parent dies. An error in the
    task's constructor reaches the parent like an error in a step.
    """
    _follow_parent()
    _, errors, *_ = more
    with suppress(Exception, KeyboardInterrupt):  # a broken pipe, or the task's `close` failed: the parent is done
        try:
            env = make()
        except Exception as error:
            parent_pipe.close()
            text = trace(error)
            errors.put((index, WorkerError, WorkerError(described(error), text), text))
            pipe.recv()  # the parent's first question, whatever it is
            pipe.send((None, False))  # "failed: look into the queue of errors"
            return
        _async_worker(index, lambda: env, pipe, parent_pipe, *more)


def end_processes(processes: Iterable[BaseProcess]) -> None:
    """End processes, even if they ignore SIGTERM or are suspended: SIGTERM to all, then SIGKILL after `GRACE`."""
    alive = [process for process in processes if process.is_alive()]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + GRACE  # one for all, not one each
    for process in alive:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.kill()
            process.join()


def new_children(before: Iterable[BaseProcess]) -> list[BaseProcess]:
    """The child processes of this process that are not in `before`."""
    older = set(before)
    return [child for child in multiprocessing.active_children() if child not in older]


def held_back() -> AbstractContextManager[None]:
    """Hold back Ctrl-C from processes forked inside this block until their own handlers are set."""
    return signals.held_back(*LEFT_TO_PARENT)


def _follow_parent() -> None:
    """Leave Ctrl-C and a closed terminal to the parent, and die by its SIGTERM, or when it dies.

    A fork inherits the handlers of its parent, which may ignore SIGTERM or take it for a request to stop.
    """
    signal.set_wakeup_fd(-1)  # the parent's descriptor: a signal here must not wake the parent
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signals.leave_to_parent(*LEFT_TO_PARENT)
    if sys.platform == "linux":  # the kernel kills this process when its parent dies, even if a step hangs
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
