"""Looking at files that somebody else may have made: what cannot be looked at is a UserError with path and reason.

pathlib hides a part of it (a folder that may not be listed counts as empty) and raises another (exists() below a folder
that may not be entered). Nothing here gives advice that would lose data: what cannot be opened may be sound.
"""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import BinaryIO

from rl_decay.errors import UserError


def exists(path: Path) -> bool:
    """Whether there is anything of that name; UserError where nobody can tell."""
    return _mode(path) is not None


def is_file(path: Path) -> bool:
    """Whether there is a file of that name; UserError where nobody can tell."""
    return stat.S_ISREG(_mode(path) or 0)


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name; UserError where nobody can tell."""
    return stat.S_ISDIR(_mode(path) or 0)


def entries(folder: Path) -> list[Path]:
    """What a folder holds, by name; [] where there is no folder, UserError where it may not be listed."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from None


def require_inside(path: Path, folder: Path) -> None:
    """UserError if the links in a path lead out of the folder: what is written there would land elsewhere."""
    target = os.path.realpath(path)
    if not target.startswith(os.path.join(os.path.realpath(folder), "")):
        raise UserError(f"{path}: a link that leads out of its folder, to {target}; nothing was changed")


def read(path: Path, longest: float = math.inf) -> bytes:
    """The content of a file of at most `longest` bytes; UserError for a larger one and where it cannot be read."""
    try:
        with open_to_read(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > longest:
                raise UserError(f"{path}: cannot be read ({size:,} bytes, more than {longest:,})")
            return file.read(size)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def open_to_read(path: Path) -> BinaryIO:
    """Open a file; UserError if it cannot be opened, or is none."""
    try:
        # without O_NONBLOCK a named pipe in the place of a file would keep us waiting for its writer
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise UserError(f"{path}: cannot be read (not a file)")
    return file


def open_no_link(path: str, flags: int) -> int:
    """Open a file, but not what a link in its place leads to: a stranger's folder may hold one that leads anywhere."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _mode(path: Path) -> int | None:
    """The kind of what a path leads to, as in os.stat; None if there is nothing."""
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be opened ({error.strerror})") from None
