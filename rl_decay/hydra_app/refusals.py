"""How Hydra's program ends badly: one line for a person's input, one line and a kept traceback for a fault of ours."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from rl_decay import errors
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import explanation, one_line
from rl_decay.runs.unwritable import is_lack, unwritable

LONGEST = 1000  # characters of a message that Hydra made
SPEAKING = (HydraException, ValueError, RuntimeError, ImportError, Warning)  # their texts are sentences


def refuse(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 1."""
    line = message if message.isprintable() else errors.one_line(message, LONGEST)
    print(f"error: {line}", file=sys.stderr)
    raise SystemExit(1)


def line_for(error: Exception) -> str:
    """The line that answers an exception."""
    return fault(error) if is_fault(error) else in_words(error)


def is_fault(error: Exception) -> bool:
    """Whether an exception is a fault of rl_decay: it passed one of our rooms below Hydra's composing and launching.

    What Hydra, OmegaConf and plugins raise among themselves is about the words that a person gave them.
    """
    if isinstance(error, (UserError, OSError)):
        return False
    rooms = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(room.startswith("rl_decay.") and not room.startswith("rl_decay.hydra_app") for room in rooms)


def fault(error: Exception) -> str:
    """The line for a fault of rl_decay; its traceback goes into the run's log, or to standard error without a log."""
    words = f"a fault of rl_decay, not of the command: {type(error).__name__}: {errors.one_line(error)}"
    logs = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.FileHandler)]
    if not logs:
        traceback.print_exception(error)
        return f"{words}; its traceback stands above"
    kind = type(error), error, error.__traceback__
    line = logging.LogRecord("rl_decay", logging.ERROR, __file__, 0, "a fault of rl_decay", (), kind)
    for handler in logs:  # not the terminal
        handler.handle(line)
    return f"{words}; its traceback is in {logs[0].baseFilename}"


def in_words(error: Exception) -> str:
    """The line for an exception about a person's input: Hydra's own words, with the key where it knows one."""
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
    if isinstance(error, ValueError) and isinstance(cause, OSError):  # the file of a log handler
        return in_words(cause)
    text = errors.one_line(one_line(str(error)), LONGEST)
    if not isinstance(error, SPEAKING) or not text:
        code = [frame.line for frame in traceback.extract_tb(error.__traceback__) if frame.line]
        text = f"{type(error).__name__} {text} in `{code[-1]}`"  # an assertion of Hydra's says nothing else
    if cause is not None and str(cause) not in text:
        text = f"{text} ({errors.one_line(cause)})"
    typed = sys.argv[1:]
    keys = [word.partition("=")[0].lstrip("+~") for word in typed if "=" in word]
    if any(key and key in text for key in keys) or any(word in text for word in typed if word.startswith("--")):
        return text
    return f"{text}; what was typed: {errors.one_line(' '.join(typed), LONGEST)}"
