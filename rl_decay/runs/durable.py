"""Bytes on the disk: append, truncate and replace a file, each completely or not at all.

Nothing here keeps a file open, so a thousand runs can be written side by side.
"""

from __future__ import annotations

import os
from pathlib import Path

from rl_decay.errors import UserError
from rl_decay.runs.files import exists, open_no_link


class FileChangedError(UserError):
    """A file was removed, cut or written by somebody else: what is added to it would not be the run's."""


class GrowingFile:
    """A file to which one run alone appends; `length` counts the bytes that the run has written."""

    def __init__(self, path: Path, length: int = 0):
        self.path = path
        self.length = length
        self._on_disk = length > 0  # whether all bytes, and the file's name, have been forced to the disk

    def append(self, data: bytes, force: bool = True) -> int:
        """Append bytes and return the new length; `force`: force these bytes and all before them to the disk.

        Errors as `append_to`.
        """
        # Forcing takes milliseconds, also where nothing is new.
        force = force and (bool(data) or not self._on_disk)
        self.length = append_to(self.path, data, self.length, force=force, force_name=not self._on_disk)
        self._on_disk = force or (self._on_disk and not data)
        return self.length


def append_to(
    path: Path, data: bytes, expected: int | None = None, *, force: bool = True, force_name: bool = True
) -> int:
    """Append bytes to a file of `expected` bytes (None: any) and return the new length.

    `force` the bytes to the disk, and with them the file's name where that may be new (`force_name`).

    A file of 0 bytes may be missing. FileChangedError where the length is another. Where the write fails (disk full),
    the file is cut back to its former length and the error goes on.
    """
    # Opening for appending would make a removed file anew, without its former rows.
    if expected and not path.exists():
        raise FileChangedError(f"{path}: was removed while the run was training")
    with open(path, "ab", buffering=0) as file:
        start = file.seek(0, os.SEEK_END)
        if expected is not None and start != expected:
            problem = "rows are missing" if start < expected else "another program writes into it"
            raise FileChangedError(f"{path}: {start} bytes, but the run had written {expected}; {problem}")
        try:
            unwritten = memoryview(data)
            while unwritten:  # one unbuffered write may take only a part of the bytes
                written = file.write(unwritten)
                unwritten = unwritten[written:]
            if force:
                os.fsync(file.fileno())
                if force_name:
                    _sync_folder(path.parent)
        except BaseException:  # BaseException: also a Ctrl-C must not leave half a row
            file.truncate(start)
            raise
    return start + len(data)


def truncate_synced(path: str | Path, length: int) -> None:
    """Cut a file back to `length` bytes, as a checkpoint recorded it, and force that to the disk.

    A missing file counts as one of 0 bytes. A file shorter than `length` has lost rows that the checkpoint relies on:
    UserError, because truncating would fill the gap with zeros.
    """
    path = Path(path)
    if check_length(path, length) > length:
        with open(path, "r+b") as file:
            file.truncate(length)
            os.fsync(file.fileno())


def check_length(path: Path, length: int) -> int:
    """The size of a file in bytes (a missing one: 0); FileChangedError if that is less than `length`."""
    size = path.stat().st_size if exists(path) else 0
    if size < length:
        raise FileChangedError(f"{path}: {size} bytes, but its checkpoint was saved after {length}; rows are missing")
    return size


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, also after a power cut.

    A failing write leaves the old file as it was and no temporary file behind.
    """
    # Always the same name: a killed writer leaves one temporary file at most, and the next write takes it over.
    # The run lock keeps a second writer away.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb", opener=open_no_link) as file:
            file.write(data)
            # The order matters: if the rename reached the disk before the content, a power cut between them would
            # leave an empty file under the final name.
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Force a file's new name to the disk; syncing the file alone covers only its content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
