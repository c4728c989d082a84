"""The kernel's locks (flock) of this process, and the lock files on which they lie.

A flock belongs to the open file, not to the process: a forked child inherits the descriptor, and the lock would last
until the child closes it too. So a child closes its copies at once, and `release` unlocks explicitly.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from rl_decay.errors import UserError

# A process that only asks whether a lock is held takes it for a moment itself; try again before refusing.
ATTEMPTS = 20
PAUSE = 0.02  # seconds
MAX_LOCK_BYTES = 8192  # more of a lock file is not read

_held: set[int] = set()


def register(descriptor: int) -> None:
    """Note a descriptor that has a lock, or is about to get one: a forked child will close its copy."""
    _held.add(descriptor)


def is_own(descriptor: int) -> bool:
    """Whether this process holds the descriptor; False in a forked child of the process that does."""
    return descriptor in _held


def release(descriptor: int) -> None:
    """Unlock and close a descriptor; nothing happens in a forked child."""
    if descriptor in _held:
        _held.remove(descriptor)
        with suppress(OSError):  # a file system without locks
            # Closing alone would not unlock while a child that was just forked still has its copy open.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _close_in_child() -> None:
    """Close the descriptors that a forked child inherited, or a lock would outlive the parent that holds it."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def lock_file(path: Path, refusal: str) -> int:
    """Open a file and lock it; returns its descriptor. UserError with the refusal if another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == ATTEMPTS - 1:
                    raise UserError(refusal) from None
                time.sleep(PAUSE)
    except BaseException:  # also an OSError of a file system without locks
        os.close(descriptor)
        raise
    register(descriptor)
    return descriptor


def try_shared_lock(descriptor: int) -> bool:
    """Take the lock together with all who only ask; False if another open file holds it alone.

    It lasts until the descriptor is closed. False too on file systems without locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def open_lock_file(path: Path) -> int:
    """Open a lock file for reading; a named pipe in its place does not block, and no link is followed."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)


def lock_text(path: Path) -> str:
    """The content of a lock file, by path; OSError if it is missing or a link."""
    descriptor = open_lock_file(path)
    try:
        return read_lock_file(descriptor)
    finally:
        os.close(descriptor)


def read_lock_file(descriptor: int) -> str:
    """The content of a lock file; "" for a folder or a device of that name."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return ""
    return os.fsdecode(os.pread(descriptor, MAX_LOCK_BYTES, 0))
