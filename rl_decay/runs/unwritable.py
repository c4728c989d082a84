"""Messages for a folder that cannot be written: the reason, and what the person can do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rl_decay.runs.continuation import continue_command
from rl_decay.system.descriptors import NONE_LEFT, limit

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_lack(error: OSError) -> bool:
    """Whether the disk is full or the limit of open files is reached."""
    return error.errno in (*FULL_DISK, *NONE_LEFT)


def unwritable(folder: Path, error: OSError) -> str:
    """The message for a folder in which a run cannot begin."""
    return f"{folder}: {_reason(folder, error)}; {_remedy(error) or 'choose another folder'}"


def cause(folder: Path, error: OSError) -> str:
    """The reason for summary.json why a run in training can no longer write its folder."""
    if error.errno == errno.ENOENT and not folder.is_dir():
        return "its folder was removed while the run was training"
    return _reason(folder, error)


def interrupted_writing(folder: Path, error: OSError, trust: Iterable[str] = ()) -> str:
    """The message for a run in training that can no longer write its folder; `trust` as in continue_command."""
    words = f"{folder}: {cause(folder, error)}"
    if not folder.is_dir():  # nothing is left to continue
        return words
    remedy = (_remedy(error) or "make it writable").capitalize()
    return f"{words}; what it holds stays readable. {remedy}, then continue: {continue_command(folder, trust)}"


def _reason(folder: Path, error: OSError) -> str:
    if error.errno in NONE_LEFT:
        return f"cannot be written ({error.strerror}: `ulimit -n` allows {limit():,.0f})"
    no_inodes = error.errno == errno.ENOSPC and _out_of_inodes(folder)
    return f"cannot be written ({error.strerror}{': no inodes are left' if no_inodes else ''})"


def _remedy(error: OSError) -> str:
    if error.errno in NONE_LEFT:
        return "raise the limit"
    return "make room" if error.errno in FULL_DISK else ""


def _out_of_inodes(folder: Path) -> bool:
    """Whether the disk has no inodes left: it may still have free blocks, and `df` would show room."""
    for path in (folder, *folder.absolute().parents):  # the folder itself may not exist yet
        with suppress(OSError):
            disk = os.statvfs(path)
            return disk.f_files > 0 and disk.f_favail == 0
    return False
