"""Errors of a task's own code: one line for a person, and the traceback for a log."""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from rl_decay.errors import UserError, one_line

# Frames of these files are not the task's: the frame above called them wrongly.
LIBRARIES = (
    "<frozen",  # the import system
    f"{Path(gym.__file__).parent}{os.sep}",
    f"{Path(np.__file__).parent}{os.sep}",
    f"{Path(__file__).parents[1]}{os.sep}",
)


class TaskError(UserError):
    """A task's own code failed. `trace` is its traceback as text."""

    def __init__(self, message: str, trace: str = ""):
        super().__init__(message)
        self.trace = trace


class WorkerError(Exception):
    """An error in a task's worker process, as text: the error itself may be one that cannot be pickled."""

    def __init__(self, words: Any, trace: str = ""):
        super().__init__(words, trace)

    def __str__(self) -> str:
        return "a task's own code failed"  # Gymnasium formats this text with %


class FaultReported(gym.Wrapper):
    """A task in a worker process, whose errors reach the main process as `WorkerError`."""

    def reset(self, **arguments: Any) -> Any:
        """Reset the task."""
        try:
            return self.env.reset(**arguments)
        except Exception as error:
            raise WorkerError(described(error), trace(error)) from None

    def step(self, action: Any) -> Any:
        """Step the task."""
        try:
            return self.env.step(action)
        except Exception as error:
            raise WorkerError(described(error), trace(error)) from None


def task_error(what: str, error: Exception) -> TaskError:
    """The message for an error of a task, `what` in front of it; a `WorkerError` stands for an error elsewhere."""
    if isinstance(error, WorkerError):
        inner = error.args[0]  # Gymnasium wraps a worker's error once more into its own class
        words, text = inner.args if isinstance(inner, WorkerError) else error.args
        return TaskError(f"{what} {words}", text)
    return TaskError(f"{what} {described(error)}", trace(error))


def described(error: Exception) -> str:
    """Kind, text and place of an error in one line: `KeyError: 'speed' (line 12 of mytask.py)`.

    An error without text is shown by its line of code: `AssertionError in line 12 of mytask.py: assert speed > 0`.
    """
    kind, text = type(error).__name__, one_line(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(LIBRARIES)]
    if not frames:
        return f"{kind}: {text}" if text else kind
    place = f"line {frames[-1].lineno} of {one_line(Path(frames[-1].filename).name)}"
    return f"{kind}: {text} ({place})" if text else f"{kind} in {place}: {one_line(frames[-1].line)}"


def trace(error: Exception) -> str:
    """The whole traceback of an error as text."""
    return "".join(traceback.format_exception(error))
