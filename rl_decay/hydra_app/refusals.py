"""Refusing a program or a run, and the line for it: a mistake of the person, or a fault of ours with its traceback."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rl_decay import errors
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import explanation, one_line
from rl_decay.hydra_app.program import program
from rl_decay.runs.layout import FAILED, is_run
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.runs.unwritable import is_lack, unwritable

LONGEST = 1000  # characters of a message that Hydra made
SENTENCES = (HydraException, ValueError, RuntimeError, ImportError, Warning)  # exceptions whose texts are sentences


def refuse(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 1."""
    line = message if message.isprintable() else errors.one_line(message, LONGEST)
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(1)


def refuse_run(message: str, folder: Path, overrides: list[str], alone: bool) -> None:
    """Refuse a run. A single run ends the program; a job of a multirun gets the message into its summary.json, and the
    other jobs go on.
    """
    if alone:
        refuse(message)
    ending = {"status": FAILED, "reason": message}
    try:
        if not is_run(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_summary(folder, {**ending, "overrides": overrides})
            return
        # A run that another command left there keeps its summary, unless it had failed too.
        summary = read_summary(folder)
        if summary["status"] == FAILED:
            with RunLock(folder):
                write_summary(folder, summary | ending)
            return
    except (OSError, UserError):  # the disk is full, the summary damaged, or another training holds the folder
        pass
    program().refused[folder] = message  # reported at the end of the sweep


def line_for(error: Exception) -> str:
    """The line that answers an exception."""
    return fault(error) if is_fault(error) else in_words(error)


def is_fault(error: Exception) -> bool:
    """Whether an exception is a fault of rl_decay: it passed through our code outside hydra_app.

    An exception among Hydra, OmegaConf and plugins alone is about the overrides that a person typed.
    """
    if isinstance(error, (UserError, OSError)):
        return False
    for frame, _ in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if module.startswith("rl_decay.") and not module.startswith("rl_decay.hydra_app"):
            return True
    return False


def fault(error: Exception) -> str:
    """The line for a fault of rl_decay; its traceback goes into the run's log, or to standard error without a log."""
    words = f"a fault of rl_decay, not of the command: {type(error).__name__}: {errors.one_line(error)}"
    logs = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    if not logs:
        traceback.print_exception(error)
        return f"{words}; its traceback stands above"
    # To the handlers of files directly: log.error would print the traceback on the terminal too.
    exc_info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("rl_decay", logging.ERROR, __file__, 0, "a fault of rl_decay", (), exc_info)
    for handler in logs:
        handler.handle(record)
    return f"{words}; its traceback is in {logs[0].baseFilename}"


def in_words(error: Exception) -> str:
    """The line for an exception about a person's input: Hydra's own message, with the key if it is known."""
    cause = error.__cause__
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OmegaConfBaseException):
        return explanation(error)
    if isinstance(error, HydraException) and isinstance(cause, OmegaConfBaseException):
        return explanation(cause)
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        path = Path(os.fsdecode(error.filename))
        return unwritable(path, error) if is_lack(error) else f"{path}: {error.strerror}"
    if isinstance(error, ValueError) and isinstance(cause, OSError):  # logging wraps the error of a log file
        return in_words(cause)
    text = errors.one_line(one_line(str(error)), LONGEST)
    if not isinstance(error, SENTENCES) or not text:
        # An assertion of Hydra has no text at all; its line of code is the only hint.
        code = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.line]
        text = f"{type(error).__name__} {text} in `{code[-1]}`"
    if cause is not None and str(cause) not in text:
        text = f"{text} ({errors.one_line(cause)})"
    arguments = sys.argv[1:]
    if _names_argument(text, arguments):
        return text
    return f"{text}; what was typed: {errors.one_line(' '.join(arguments), LONGEST)}"


def _names_argument(text: str, arguments: Sequence[str]) -> bool:
    """Whether a message names the key of an override, or a flag; if not, the person needs to see the whole command."""
    for argument in arguments:
        key, equals, _ = argument.partition("=")
        key = key.lstrip("+~")
        if (equals and key and key in text) or (argument.startswith("--") and argument in text):
            return True
    return False
