"""One training per run folder."""

from __future__ import annotations

import fcntl
import os
import resource
from pathlib import Path
from typing import Self

from rl_decay.errors import UserError
from rl_decay.runs.layout import LOCK

_held: set[int] = set()  # descriptors of this process's locks


def _let_go() -> None:
    """In a forked child: the lock is its parent's alone, and must end with that."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


class RunLock:
    """Hold a run folder for this process: `with RunLock(folder): ...`; UserError if another training holds it.

    The lock is the kernel's flock on run.lock: it ends with the process, however that dies. That the file exists means
    nothing, and it is left where it is, because deleting it would let two processes lock two files of one name.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        descriptor = _open(self.folder / LOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UserError(f"{self.folder} is in use: another training holds its {LOCK}") from None
        except OSError:  # a file system without locks
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(descriptor)
        return self

    def __exit__(self, *failure: object) -> None:
        if self._descriptor in _held:
            _held.remove(self._descriptor)
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)  # closing alone would leave it with a child not yet let go
            os.close(self._descriptor)
        self._descriptor = None


def is_held(folder: Path) -> bool:
    """Whether a training holds the folder's lock; also where the file system cannot tell."""
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing gives it back
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(path: Path) -> int:
    """Open a file for locking, and keep half of the process's descriptors free.

    A held lock costs one descriptor and a population holds one per member, so past half of the soft limit (often 1024)
    the limit is doubled, as far as the hard one allows.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < 2 * descriptor:
        more = 2 * soft if hard == resource.RLIM_INFINITY else min(2 * soft, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
    return descriptor
