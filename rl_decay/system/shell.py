"""Paths for the person who typed the command: read in, and printed for, the folder in which it was typed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_decay.errors import shell_word

_typing_folders: list[Path] = []  # a stack; empty if this process is still in the folder of its command


@contextmanager
def typed_in(folder: str | Path) -> Iterator[None]:
    """The command was typed in this folder; the process has since changed to another one (`hydra.job.chdir=true`)."""
    _typing_folders.append(Path(folder))
    try:
        yield
    finally:
        _typing_folders.pop()


def absolute(path: str | Path) -> Path:
    """The absolute path that a typed path means."""
    return Path(os.path.normpath(_typing_folder() / str(path)))


def as_typed(folder: Path) -> str:
    """A folder as the person types it: relative if it lies below the folder of the command, quoted if necessary."""
    path = folder.absolute()
    typing_folder = _typing_folder()
    text = str(path.relative_to(typing_folder) if path.is_relative_to(typing_folder) else path)
    # A command would take a name with a leading dash for an option.
    return shell_word(f"./{text}" if text.startswith("-") else text)


def _typing_folder() -> Path:
    return _typing_folders[-1] if _typing_folders else Path.cwd()
