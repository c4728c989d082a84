"""One launcher per sweep: the kernel's flock on sweep.lock, held while the jobs of the sweep are launched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

from rl_decay.errors import UserError
from rl_decay.runs.flocks import lock_file, open_lock_file, release, try_shared_lock
from rl_decay.runs.layout import SWEEP_LOCK
from rl_decay.runs.unwritable import unwritable


class SweepLock:
    """Hold a sweep folder while this process launches its jobs.

    UserError if another process does so, or if the folder cannot be written.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        refusal = f"{self.folder} is in use: another process trains this sweep and holds its {SWEEP_LOCK}"
        try:
            self._descriptor = lock_file(self.folder / SWEEP_LOCK, refusal)
        except OSError as error:
            raise UserError(unwritable(self.folder, error)) from None
        return self

    def __exit__(self, *failure: object) -> None:
        if self._descriptor is not None:
            release(self._descriptor)
        self._descriptor = None


def refuse_sweep_in_use(folder: Path) -> None:
    """UserError if a run folder lies in a sweep that is being launched: the sweep will train this run itself."""
    # The typed path and the path without links: a sweep folder may itself be reached through a link.
    for parent in {**dict.fromkeys(folder.absolute().parents), **dict.fromkeys(folder.resolve().parents)}:
        try:
            descriptor = open_lock_file(parent / SWEEP_LOCK)
        except OSError:
            continue
        try:
            if not try_shared_lock(descriptor):
                raise UserError(f"{folder} is in use: the sweep {parent} is being trained and holds its {SWEEP_LOCK}")
        finally:
            os.close(descriptor)
