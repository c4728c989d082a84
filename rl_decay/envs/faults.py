"""Errors raised by a task's own code: one line for a person, and the traceback for a log."""

from __future__ import annotations

import functools
import os
import traceback
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from rl_decay.errors import UserError, escaped, one_line

# Frames of these files are not the task's. An error raised in one is located at the line of the task that led there.
LIBRARIES = (
    "<frozen",  # the import system
    functools.__file__,  # through which Gymnasium joins observations
    f"{Path(gym.__file__).parent}{os.sep}",
    f"{Path(np.__file__).parent}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
)


class TaskError(UserError):
    """A task's own code failed. `trace` is its traceback as text, `log` the file of the run's folder that holds it."""

    def __init__(self, message: str, trace: str = "", log: str | None = None):
        super().__init__(message)
        self.trace, self.log = trace, log


class TookTooLongError(UserError):
    """A reset or step took longer than `env.timeout`."""


class WorkerError(Exception):
    """An error in a task's worker process, as text, because not every exception can be pickled."""

    def __init__(self, words: Any, trace: str = ""):
        super().__init__(words, trace)

    def __str__(self) -> str:
        return "a task's own code failed"  # not the task's words: Gymnasium formats this text with %


class FaultReported(gym.Wrapper):
    """A task in a worker process, whose errors reach the main process as `WorkerError`."""

    def reset(self, **arguments: Any) -> Any:
        """Reset the task."""
        try:
            return self.env.reset(**arguments)
        except BaseException as error:  # sys.exit() in a task, too; Ctrl-C does not arrive, a worker ignores it
            raise WorkerError(described(error), trace(error)) from None

    def step(self, action: Any) -> Any:
        """Step the task."""
        try:
            return self.env.step(action)
        except BaseException as error:
            raise WorkerError(described(error), trace(error)) from None


def task_error(what: str, error: BaseException) -> TaskError:
    """`what` and the error in one line, as the error of a task; a `WorkerError` brings the words of another process."""
    if isinstance(error, WorkerError):
        inner = error.args[0]  # Gymnasium wraps a worker's error once more into its own class
        words, trace_text = inner.args if isinstance(inner, WorkerError) else error.args
        return TaskError(f"{what} {words}", trace_text)
    return TaskError(f"{what} {described(error)}", trace(error))


def reported_error(what: str, error: BaseException, trace_text: str) -> TaskError:
    """As `task_error`, of an error that a worker put into Gymnasium's queue with its traceback as text."""
    if isinstance(error, WorkerError):
        return task_error(what, error)
    lines = [escaped(line) for line in trace_text.split("\n")]
    return TaskError(f"{what} {described(error)}", "\n".join(lines))


def described(error: BaseException) -> str:
    """Kind, text and place of an error in one line: `KeyError: 'speed' (line 12 of mytask.py)`.

    An error without text is shown by its line of code: `AssertionError in line 12 of mytask.py: assert speed > 0`.
    """
    kind, text = type(error).__name__, one_line(error)
    frame = _innermost(error)
    if frame is None:
        return f"{kind}: {text}" if text else kind
    place = f"line {frame.lineno} of {one_line(Path(frame.filename).name)}"
    return f"{kind}: {text} ({place})" if text else f"{kind} in {place}: {one_line(frame.line)}"


def _innermost(error: BaseException | None) -> traceback.FrameSummary | None:
    """The innermost frame of the task's own code. An error without such a frame is located by its cause."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not frame.filename.startswith(LIBRARIES)]
        if own:
            return own[-1]
        error = error.__cause__
    return None


def trace(error: BaseException) -> str:
    """The whole traceback of an error as text, control characters escaped."""
    lines = "".join(traceback.format_exception(error)).split("\n")
    return "\n".join(escaped(line) for line in lines)
