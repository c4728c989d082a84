"""A folder reserved for one process, from before its first file on."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from rl_decay.errors import UserError
from rl_decay.runs.flocks import register, release
from rl_decay.runs.lock import is_held


class FolderClaim:
    """Make a folder, or take an existing one, for this process; UserError if another process has claimed it.

    `own_names`: the files that Hydra writes there before any file of a run. If no other file has appeared when the
    claim ends, they and the folders made for them are removed. Errors: OSError if the folder cannot be made or written.

    The claim is the kernel's flock on the folder itself. It leaves no file and ends with the process, however that
    dies. A file system without such locks lets everybody pass.
    """

    def __init__(self, folder: Path, own_names: Iterable[str]):
        self.folder = folder.absolute()
        self._own_names = set(own_names)
        self._made_folders = _make(self.folder)
        self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        register(self._descriptor)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            release(self._descriptor)
            raise UserError(
                f"{folder} is in use: another process begins or trains there; choose another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        self._names_before = set(os.listdir(self.folder))

    def end(self) -> None:
        """Give the folder back; if no run began in it, remove what this program wrote there."""
        new_names = self._new_names()
        only_own_names = new_names <= self._own_names
        nothing_to_keep = only_own_names and not any(_has_log_lines(self.folder / name) for name in new_names)
        # A training started from Python, or by a sweep, holds the run's lock but no claim; it may have begun meanwhile.
        if nothing_to_keep and not is_held(self.folder):
            for name in new_names:
                path = self.folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self._remove_folders()
        release(self._descriptor)

    def _new_names(self) -> set[str]:
        try:
            return set(os.listdir(self.folder)) - self._names_before
        except OSError:  # somebody removed the folder
            return {""}  # a name that is not in `own_names`, so that nothing will be removed

    def _remove_folders(self) -> None:
        for folder in reversed(self._made_folders):
            try:
                folder.rmdir()
            except OSError:  # not empty: another run has begun beside this one
                break


def _make(folder: Path) -> list[Path]:
    """Make a folder and its missing parents; returns the folders that this process made, the outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    made_folders = []
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError:  # another process made it at the same moment; removing it is that process's task
            continue
        made_folders.append(path)
    return made_folders


def _has_log_lines(path: Path) -> bool:
    """Whether a file is a log with lines in it, such as the traceback of a fault."""
    return path.suffix == ".log" and path.stat().st_size > 0
