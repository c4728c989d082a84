"""A folder for one process alone, from before its first file on."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from rl_decay.errors import UserError
from rl_decay.runs.flocks import hold, release
from rl_decay.runs.lock import is_held


class FolderClaim:
    """Make a folder, or take one that exists, for this process; UserError if another process has claimed it.

    `own` names the files that Hydra writes there before anything of a run. If nothing else has come when the claim
    ends, they and the folders made for them go again. Errors: OSError where the folder cannot be made or written.

    The claim is the kernel's flock on the folder itself. It leaves no file and ends with the process, however that
    dies. A file system without such locks lets everybody pass.
    """

    def __init__(self, folder: Path, own: Iterable[str]):
        self.folder = folder.absolute()
        self._own = set(own)
        self._made = _make(self.folder)
        self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        hold(self._descriptor)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            release(self._descriptor)
            raise UserError(
                f"{folder} is in use: another process begins or trains there; choose another folder"
            ) from None
        except OSError:
            pass
        self._before = set(os.listdir(self.folder))

    def end(self) -> None:
        """Give the folder back; leave nothing where nothing was begun."""
        new = self._new()
        begun = not new <= self._own or any(_says_something(self.folder / name) for name in new)
        # A training from Python or of a sweep takes the run's lock alone, and may have come meanwhile.
        if not begun and not is_held(self.folder):
            for name in new:
                path = self.folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            self._remove_folders()
        release(self._descriptor)

    def _new(self) -> set[str]:
        try:
            return set(os.listdir(self.folder)) - self._before
        except OSError:  # somebody removed the folder
            return {""}

    def _remove_folders(self) -> None:
        for folder in reversed(self._made):
            try:
                folder.rmdir()
            except OSError:  # another run has come beside it
                break


def _make(folder: Path) -> list[Path]:
    """Make a folder and the folders above it; returns those that this process made, the outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    made = []
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileExistsError:  # another process made it in this moment, and will remove it if anybody does
            continue
        made.append(path)
    return made


def _says_something(path: Path) -> bool:
    """Whether a file is a log with lines in it, such as the traceback of a fault."""
    return path.suffix == ".log" and path.stat().st_size > 0
