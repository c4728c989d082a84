"""The state of one call of train.py. Hydra makes callbacks and launchers itself, so they share it through a global."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Program:
    """The folders and refusals of this program.

    held: the claims of folders and the sweep's lock, released at the program's end.
    folders: of all composed jobs.
    refused: by folder, the reasons of failed jobs that their summary.json does not hold.
    """

    held: ExitStack = field(default_factory=ExitStack)
    folders: list[Path] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)


_program = Program()  # a process started by a launcher has its own


def program() -> Program:
    """The program of this process."""
    return _program


def new_program() -> Program:
    """Begin a program with empty state; an earlier one in this process (a test) leaves nothing behind."""
    global _program
    _program = Program()
    return _program
