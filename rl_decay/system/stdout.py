"""Standard output and error that outlast their readers: a closed pipe or an unprintable character ends no run."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import sys
from typing import Any, TextIO


class _LastingBytes(io.RawIOBase):
    """A raw stream on a descriptor; after the first failing write it discards all bytes silently."""

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
        except BlockingIOError:  # the process at the other end has set the pipe to non-blocking; wait for room
            select.select([], [self._descriptor], [])
            return 0  # nothing written yet: the buffered stream above tries again
        except OSError:  # `| head -1` has ended, the terminal is closed, the disk is full
            _point_to_nothing(self._descriptor)
            return len(data)


def keep_output() -> None:
    """Let standard output and error outlast their readers, in this process and in those that it starts.

    Without this a print raises BrokenPipeError in the middle of training, or at the end of the interpreter, and
    UnicodeEncodeError on a terminal without Unicode. A stream without a descriptor (pytest's, a notebook's) is left
    alone.
    """
    logging.raiseExceptions = False  # a full disk under a log must print no traceback per line
    for name, descriptor in {"stdout": 1, "stderr": 2}.items():
        stream: TextIO | None = getattr(sys, name)
        if stream is None:
            # The shell closed it before the start (`>&-`). The next file that is opened, perhaps a table of the run,
            # would get descriptor 1, and every print of a library would go into it.
            _point_to_nothing(descriptor)
            setattr(sys, name, _lasting(descriptor, "utf-8", line_buffering=True))
        elif not _is_lasting(stream):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # no descriptor, or no text file
                setattr(sys, name, _lasting(stream.fileno(), stream.encoding, stream.line_buffering))  # type: ignore[attr-defined]


def _is_lasting(stream: Any) -> bool:
    """Whether keep_output has replaced this stream before."""
    buffer = getattr(stream, "buffer", None)
    return isinstance(getattr(buffer, "raw", None), _LastingBytes)


def _lasting(descriptor: int, encoding: str, line_buffering: bool) -> TextIO:
    buffer = io.BufferedWriter(_LastingBytes(descriptor))
    return io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=line_buffering)


def _point_to_nothing(descriptor: int) -> None:
    """Make a descriptor write to /dev/null; it may be closed, and then /dev/null itself may get its number."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    if nothing != descriptor:
        os.dup2(nothing, descriptor)
        os.close(nothing)
