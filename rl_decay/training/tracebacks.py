"""Where a person finds the traceback of a task's own error: in the log of each run that it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rl_decay.envs.faults import TaskError
from rl_decay.runs.layout import LOG


def with_traceback_logged(error: TaskError, folders: Sequence[Path]) -> TaskError:
    """Write an error's traceback behind each folder's log; the same error, which then names the log.

    On a full disk the error stays as it is: its one line names the innermost place of the task's code anyway.
    """
    try:
        for folder in folders:
            with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(error.trace)
    except OSError:
        return error
    logged = TaskError(f"{error}; the traceback is in {LOG}", error.trace, LOG)
    logged.__cause__ = error
    return logged
