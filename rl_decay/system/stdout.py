"""Standard output that its reader closes, or that cannot show a character: neither disturbs a run."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import sys
from typing import Any, TextIO


class _LastingBytes(io.RawIOBase):
    """The bytes of a descriptor; from the first that cannot be written on, they go nowhere, without a word."""

    def __init__(self, descriptor: int):
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Any) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # a pipe that its other end made non-blocking
            select.select([], [self._descriptor], [])
            return 0
        except OSError:  # `| head -1` has read enough, the terminal has gone, the disk is full
            _point_to_nothing(self._descriptor)
            return len(data)


def keep_output() -> None:
    """Let standard output and error outlast their readers, in this process and in those that it starts.

    Without this a print raises BrokenPipeError in the middle of training, or at the end of the interpreter, and
    UnicodeEncodeError on a terminal without Unicode. Streams without a descriptor stay as they are.
    """
    logging.raiseExceptions = False  # a log without room is no reason to stop, nor for a traceback
    for name, descriptor in {"stdout": 1, "stderr": 2}.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is None:  # closed before the start, as by `>&-`: the next file would get its descriptor
            _point_to_nothing(descriptor)
            setattr(sys, name, _lasting(descriptor, "utf-8", line_buffering=True))
        elif not isinstance(getattr(getattr(stream, "buffer", None), "raw", None), _LastingBytes):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # it has no descriptor, or is no text file
                setattr(sys, name, _lasting(stream.fileno(), stream.encoding, stream.line_buffering))  # type: ignore[attr-defined]


def _lasting(descriptor: int, encoding: str, line_buffering: bool) -> TextIO:
    buffer = io.BufferedWriter(_LastingBytes(descriptor))
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=line_buffering)


def _point_to_nothing(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
