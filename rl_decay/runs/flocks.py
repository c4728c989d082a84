"""The kernel's locks that this process holds, by file descriptor. They are its own: a forked child lets go of them."""

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
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing alone would leave it with a child not yet let go
        os.close(descriptor)


def _let_go() -> None:
    # A forked child inherits the descriptors; while it has them open, a lock would outlive the parent.
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
