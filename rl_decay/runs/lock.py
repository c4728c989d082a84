"""One training per run folder, one launcher per sweep: the kernel's flock, which ends with its process.

The file of a lock stays where it is, because deleting it would let two processes lock two files of one name; that it
exists means nothing. A population holds one lock for all its members, the run.lock of its first: the others' run.lock
names it. So a population costs one file descriptor, and whoever opens a member's folder alone finds out.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from rl_decay.errors import UserError
from rl_decay.runs.flocks import hold, is_own, release
from rl_decay.runs.layout import LOCK, SWEEP_LOCK
from rl_decay.runs.unwritable import unwritable

ATTEMPTS, PAUSE = 20, 0.02  # seconds: who only looks at a lock holds it for a moment
LONGEST = 8192  # bytes of a lock file that are read


class LockLostError(UserError):
    """The lock file was removed, and another training holds the folder now: nothing more may be written there."""


class RunLock:
    """Hold run folders for this process: `with RunLock(*folders): ...`; UserError if another training holds one, or if
    one cannot be written.
    """

    def __init__(self, *folders: str | Path):
        self.folders = [Path(folder) for folder in folders]
        self._descriptor: int | None = None
        self._token = ""
        self._lost: set[Path] = set()  # folders that another training has taken

    def __enter__(self) -> Self:
        self._token = secrets.token_hex(8)
        folder = self.folders[0]
        try:
            for folder in self.folders:
                self._take(folder)
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                raise UserError(unwritable(folder, error)) from None
            raise
        return self

    def __exit__(self, *failure: object) -> None:
        if self._descriptor is not None and is_own(self._descriptor):
            self._clear_marks()
            release(self._descriptor)
        self._descriptor = None

    def _clear_marks(self) -> None:
        """Leave lock files as a run alone would have; a killed population cannot, and what it leaves means nothing."""
        for folder in self.folders:
            with suppress(OSError):
                if _text(folder / LOCK).startswith(self._token):
                    os.truncate(folder / LOCK, 0)

    def verify(self, folder: Path) -> None:
        """Take the lock of a folder again where its file was removed; LockLostError if another training came first."""
        if not folder.is_dir():  # whoever writes there next will say so
            return
        self._keep_first()
        if folder not in self._lost and not self._holds(folder):
            self._take_again(folder)
        if folder in self._lost:
            raise LockLostError(
                f"{folder}: its {LOCK} was removed, and another training has begun there; this one writes no more"
            )

    def _keep_first(self) -> None:
        """Hold the lock that the other folders' marks point to: in the first folder, or where it is gone or lost, in
        the next; also for a first run that has ended.
        """
        while self.folders and not self._holds(self.folders[0]):
            first = self.folders[0]
            try:
                self._take_again(first)
            except OSError:  # it was removed, or cannot be written, which its own run will say
                self.folders.remove(first)

    def _take_again(self, folder: Path) -> None:
        """Take a folder whose lock file was removed; it is lost if another training has done so."""
        if folder not in self.folders:
            self.folders.append(folder)
        try:
            self._take(folder)
        except UserError:
            self.folders.remove(folder)
            self._lost.add(folder)

    def _holds(self, folder: Path) -> bool:
        """Whether the lock file of a folder is the one that was taken. A new file may have the inode of an old one, so
        that only the first, which is open, is known by it; the others by their mark.
        """
        if folder not in self.folders:
            return False
        try:
            if folder == self.folders[0]:
                assert self._descriptor is not None
                return os.path.samestat(os.stat(folder / LOCK), os.fstat(self._descriptor))
            return os.fsencode(_text(folder / LOCK)) == self._mark(folder)
        except OSError:  # there is none, or a link
            return False

    def _take(self, folder: Path) -> None:
        descriptor = _locked(folder / LOCK, f"{folder} is in use: another training holds its {LOCK}")
        try:
            if _holder(folder, _read(descriptor)):
                raise UserError(f"{folder} is in use: another training holds its {LOCK}")
            if os.fstat(descriptor).st_size:  # whoever only looks at a run leaves its files as they were
                os.ftruncate(descriptor, 0)
            if len(self.folders) > 1:
                os.pwrite(descriptor, self._mark(folder), 0)
        except BaseException:
            release(descriptor)
            raise
        if folder != self.folders[0]:
            release(descriptor)
            return
        if self._descriptor is not None:  # of a file that was removed
            release(self._descriptor)
        self._descriptor = descriptor

    def _mark(self, folder: Path) -> bytes:
        """What a lock file says: the token of its holder, and on a second line where that one's lock is."""
        first = self.folders[0]
        place = "" if folder == first else os.path.relpath(os.path.realpath(first), os.path.realpath(folder))
        return os.fsencode(f"{self._token}\n{place}")


class SweepLock:
    """Hold a sweep folder while its jobs are launched from here; UserError if another process does that, or if the
    folder cannot be written.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        words = f"{self.folder} is in use: another process trains this sweep and holds its {SWEEP_LOCK}"
        try:
            self._descriptor = _locked(self.folder / SWEEP_LOCK, words)
        except OSError as error:
            raise UserError(unwritable(self.folder, error)) from None
        return self

    def __exit__(self, *failure: object) -> None:
        if self._descriptor is not None:
            release(self._descriptor)
        self._descriptor = None


def is_held(folder: Path) -> bool:
    """Whether a training holds a run folder, alone or with its population; also where the file system cannot tell."""
    try:
        descriptor = _open(folder / LOCK)
    except OSError:
        return False
    try:
        return _is_locked(descriptor) or _holder(folder, _read(descriptor))
    finally:
        os.close(descriptor)


def refuse_sweep_in_use(folder: Path) -> None:
    """UserError if a run folder lies in a sweep that is being launched: a lone training of it would be in its way."""
    for parent in {**dict.fromkeys(folder.absolute().parents), **dict.fromkeys(folder.resolve().parents)}:
        try:
            descriptor = _open(parent / SWEEP_LOCK)
        except OSError:
            continue
        try:
            if _is_locked(descriptor):
                raise UserError(f"{folder} is in use: the sweep {parent} is being trained and holds its {SWEEP_LOCK}")
        finally:
            os.close(descriptor)


def _locked(path: Path, refusal: str) -> int:
    """Open a file and lock it; UserError with the words of the refusal if another process holds it."""
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
    except BaseException:  # an OSError comes from a file system without locks
        os.close(descriptor)
        raise
    hold(descriptor)
    return descriptor


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # closing gives it back
    except OSError:
        return True
    return False


def _holder(folder: Path, mark: str) -> bool:
    """Whether the population that a lock file names is alive: the lock it points to is held, under the same token."""
    token, _, place = mark.partition("\n")
    if not token or not place:
        return False
    try:
        descriptor = _open(folder / place / LOCK)
    except (OSError, ValueError):  # ValueError: a damaged mark with a null byte
        return False
    try:
        return _read(descriptor).partition("\n")[0] == token and _is_locked(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open a lock file to look at it; a pipe of that name does not block, and no link is followed."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)


def _text(path: Path) -> str:
    descriptor = _open(path)
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> str:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return ""
    return os.fsdecode(os.pread(descriptor, LONGEST, 0))
