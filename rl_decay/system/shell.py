"""Folders and commands as the person who typed the command can type them again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rl_decay.errors import shell_word

_folders: list[Path] = []  # in which commands were typed; empty where this process has not left its folder


@contextmanager
def typed_in(folder: str | Path) -> Iterator[None]:
    """The command was typed in this folder, and the process has since moved to another (`hydra.job.chdir=true`)."""
    _folders.append(Path(folder))
    try:
        yield
    finally:
        _folders.pop()


def absolute(path: str | Path) -> Path:
    """What a path means in the folder in which the command was typed."""
    return Path(os.path.normpath(_home() / str(path)))


def as_typed(folder: Path) -> str:
    """A folder as one types it there: relative if it lies below, and quoted where a shell asks for that."""
    path, home = folder.absolute(), _home()
    text = str(path.relative_to(home) if path.is_relative_to(home) else path)
    return shell_word(f"./{text}" if text.startswith("-") else text)


def _home() -> Path:
    return _folders[-1] if _folders else Path.cwd()
