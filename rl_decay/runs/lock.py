"""One training per run folder: the kernel's flock on run.lock, which ends with its process.

A lock file is never deleted. Otherwise one process could hold the lock of the deleted file and another process the lock
of a new file of that name, and both would train. So an existing lock file says nothing; only its lock counts.

A population holds one lock for all its members, on the run.lock of its first member. The run.lock of every other member
holds a mark: a token of the population, and the path to the first folder. So a population costs one file descriptor,
and a process that opens a member's folder alone finds the lock through the mark.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from rl_decay.errors import UserError
from rl_decay.runs.flocks import is_own, lock_file, lock_text, open_lock_file, read_lock_file, release, try_shared_lock
from rl_decay.runs.layout import LOCK
from rl_decay.runs.unwritable import unwritable


class LockLostError(UserError):
    """The lock file was removed, and another training holds the folder now: nothing more may be written there."""


class RunLock:
    """Hold run folders for this process: `with RunLock(*folders): ...`.

    The folders while they are held:

        folder           its run.lock holds                          its run.lock is
        first            the token, or nothing if it is alone        open and locked (`_descriptor`)
        every other      the mark: token and path to the first       closed
        lost (`_lost`)   what another training wrote                 closed; nothing is written there any more

    UserError if another training holds one of them, or if one cannot be written.
    """

    def __init__(self, *folders: str | Path):
        self.folders = [Path(folder) for folder in folders]
        self._descriptor: int | None = None
        self._token = ""
        self._lost: set[Path] = set()

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
        # A forked child leaves this block too; the marks and the lock are still its parent's.
        if self._descriptor is not None and is_own(self._descriptor):
            self._clear_marks()
            release(self._descriptor)
        self._descriptor = None

    def _clear_marks(self) -> None:
        """Empty the lock files, as after a run alone. The marks of a killed population stay, and do no harm."""
        for folder in self.folders:
            with suppress(OSError):
                if lock_text(folder / LOCK).startswith(self._token):  # another training may have taken the folder
                    os.truncate(folder / LOCK, 0)

    def verify(self, folder: Path) -> None:
        """Take the lock of a folder again if its file was removed; LockLostError if another training came first."""
        if not folder.is_dir():  # the next write into it will report that
            return
        self._keep_first_held()
        if folder not in self._lost and not self._holds(folder):
            self._take_again(folder)
        if folder in self._lost:
            raise LockLostError(
                f"{folder}: its {LOCK} was removed, and another training has begun there; this one writes no more"
            )

    def _keep_first_held(self) -> None:
        """Hold the lock to which the marks point, also after the run of the first folder has ended.

        If the first folder was removed or lost, the next one becomes the first.
        """
        while self.folders and not self._holds(self.folders[0]):
            first = self.folders[0]
            try:
                self._take_again(first)
            except OSError:  # removed or no longer writable; the run of this folder reports it
                self.folders.remove(first)

    def _take_again(self, folder: Path) -> None:
        """Take a folder whose lock file was removed; note it as lost if another training has taken it."""
        if folder not in self.folders:
            self.folders.append(folder)
        try:
            self._take(folder)
        except UserError:
            self.folders.remove(folder)
            self._lost.add(folder)

    def _holds(self, folder: Path) -> bool:
        """Whether the lock file of a folder is still the file that this lock took."""
        if folder not in self.folders:
            return False
        try:
            if folder == self.folders[0]:
                assert self._descriptor is not None
                return os.path.samestat(os.stat(folder / LOCK), os.fstat(self._descriptor))
            # Inodes do not identify the other files, which are closed: a new file may get the inode of a removed one.
            return os.fsencode(lock_text(folder / LOCK)) == self._mark(folder)
        except OSError:  # no such file, or a link
            return False

    def _take(self, folder: Path) -> None:
        """Mark a folder as held. The lock file of the first stays open and locked, in the name of all."""
        descriptor = self._locked_and_marked(folder)
        if folder != self.folders[0]:
            release(descriptor)
            return
        if self._descriptor is not None:  # the lock of a file that was removed
            release(self._descriptor)
        self._descriptor = descriptor

    def _locked_and_marked(self, folder: Path) -> int:
        """The descriptor of a folder's lock file: locked and, in a population, with the mark in it.

        UserError if another training holds the folder.
        """
        refusal = f"{folder} is in use: another training holds its {LOCK}"
        descriptor = lock_file(folder / LOCK, refusal)
        try:
            if _is_held_through(folder, read_lock_file(descriptor)):
                raise UserError(refusal)
            # Only a file with content is truncated: a lock that merely looks at a run must not change its files' times.
            if os.fstat(descriptor).st_size:
                os.ftruncate(descriptor, 0)
            if len(self.folders) > 1:
                os.pwrite(descriptor, self._mark(folder), 0)
        except BaseException:
            release(descriptor)
            raise
        return descriptor

    def _mark(self, folder: Path) -> bytes:
        """The content of a lock file: the token of the population, then the relative path to the first folder."""
        first = self.folders[0]
        relative_path = "" if folder == first else os.path.relpath(os.path.realpath(first), os.path.realpath(folder))
        return os.fsencode(f"{self._token}\n{relative_path}")


def is_held(folder: Path) -> bool:
    """Whether a training holds a run folder, alone or through its population; True on file systems without locks."""
    try:
        descriptor = open_lock_file(folder / LOCK)
    except OSError:
        return False
    try:
        return not try_shared_lock(descriptor) or _is_held_through(folder, read_lock_file(descriptor))
    finally:
        os.close(descriptor)


def _is_held_through(folder: Path, mark: str) -> bool:
    """Whether the population of a mark is alive: the lock file to which it points is locked and has the same token."""
    token, _, relative_path = mark.partition("\n")
    if not token or not relative_path:
        return False
    try:
        descriptor = open_lock_file(folder / relative_path / LOCK)
    except (OSError, ValueError):  # ValueError: a damaged mark with a null byte
        return False
    try:
        # A killed population leaves its marks; a new training in its first folder has another token.
        return read_lock_file(descriptor).partition("\n")[0] == token and not try_shared_lock(descriptor)
    finally:
        os.close(descriptor)
