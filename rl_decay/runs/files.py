"""Looking at files that somebody else may have made; a UserError with path and reason where that is not possible.

pathlib hides some of these errors (a folder without permission to list counts as empty) and raises others (exists()
below a folder without permission to enter). The messages advise nobody to delete: a file that cannot be opened now may
be intact.
"""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import BinaryIO

from rl_decay.errors import UserError


def exists(path: Path) -> bool:
    """Whether a file, a folder or anything else has that name; UserError without permission to look."""
    return _mode(path) is not None


def is_file(path: Path) -> bool:
    """Whether a regular file has that name; UserError without permission to look."""
    return stat.S_ISREG(_mode(path) or 0)


def is_folder(path: Path) -> bool:
    """Whether a folder has that name; UserError without permission to look."""
    return stat.S_ISDIR(_mode(path) or 0)


def entries(folder: Path) -> list[Path]:
    """The paths in a folder, by name; [] if the folder does not exist, UserError without permission to list it."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from None


def require_inside(path: Path, folder: Path) -> None:
    """UserError if links in a path lead out of the folder: bytes written there would land elsewhere."""
    target = os.path.realpath(path)
    if not target.startswith(os.path.join(os.path.realpath(folder), "")):
        raise UserError(f"{path}: a link that leads out of its folder, to {target}; nothing was changed")


def read(path: Path, longest: float = math.inf) -> bytes:
    """The content of a file of at most `longest` bytes; UserError if it is larger or cannot be read."""
    try:
        with open_to_read(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > longest:
                raise UserError(f"{path}: cannot be read ({size:,} bytes, more than {longest:,})")
            return file.read(size)  # a file that grows meanwhile must not exceed the limit
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def open_to_read(path: Path) -> BinaryIO:
    """Open a regular file; UserError if it cannot be opened, or is a folder, a pipe or a device."""
    try:
        # Without O_NONBLOCK, opening a named pipe in the place of a file would wait for a writer, for ever.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UserError(f"{path}: cannot be read (not a file)")
    return file


def open_no_link(path: str, flags: int) -> int:
    """An opener for `open` that fails on a link: a link in a stranger's folder may lead to any file of ours."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _mode(path: Path) -> int | None:
    """st_mode of the file or folder that a path leads to, as in os.stat; None if nothing has that name."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from None
