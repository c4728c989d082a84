"""Open files of this process: how many it may have, and what to say when they run out."""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress

from rl_decay.errors import UserError

SPARE = 64  # for tables, checkpoints, pipes and libraries
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


def require(count: int, what: str, way_out: str) -> None:
    """UserError if `count` more files, and some to spare, would be more than the limit."""
    needed = _in_use() + count + SPARE
    if needed > limit():
        raise UserError(f"{what}: needs about {needed:,} open files, and `ulimit -n` allows {limit():,.0f}; {way_out}")


def _in_use() -> int:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))
    return 0
