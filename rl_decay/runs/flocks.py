"""The kernel's locks that this process holds, by file descriptor; a forked child closes its copies of them.

A flock belongs to the open file, not to the process: a child inherits the descriptor, and the lock would last until the
child closes it too.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

_held: set[int] = set()


def hold(descriptor: int) -> None:
    """Note a descriptor that has a lock, or is about to get one."""
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
