"""The limit of open files of this process, and a check before many files are needed."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress

from rl_decay.errors import UserError

SPARE = 64  # open files for tables, checkpoints, pipes and libraries
NONE_LEFT = (errno.EMFILE, errno.ENFILE)


def raise_limit() -> None:
    """Let this process open as many files as the system allows it: the soft limit becomes the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a hard limit that it then refuses
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> float:
    """The number of files that this process may have open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return float("inf") if soft == resource.RLIM_INFINITY else soft


def require_descriptors(count: int, purpose: str, way_out: str) -> None:
    """UserError if `count` more open files, and SPARE others, would exceed the limit; `purpose` begins the message."""
    needed = _in_use() + count + SPARE
    if needed > limit():
        raise UserError(
            f"{purpose}: needs about {needed:,} open files, and `ulimit -n` allows {limit():,.0f}; {way_out}"
        )


def _in_use() -> int:
    """Open files of this process; 0 on a system that does not list them."""
    for folder in ("/proc/self/fd", "/dev/fd"):  # Linux, macOS
        with suppress(OSError):
            return len(os.listdir(folder))
    return 0
