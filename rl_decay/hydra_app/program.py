"""What one call of train.py keeps until it ends. Hydra makes callbacks and launchers itself, so they meet here."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Program:
    """The folders and refusals of this program.

    held: claimed folders and the sweep's lock, given back at the program's end.
    folders: of all jobs that were composed.
    refused: why jobs failed whose summary.json does not say so, by folder.
    """

    held: ExitStack = field(default_factory=ExitStack)
    folders: list[Path] = field(default_factory=list)
    refused: dict[Path, str] = field(default_factory=dict)


_program = Program()  # a process that a launcher started has one of its own


def program() -> Program:
    """The program of this process."""
    return _program


def new_program() -> Program:
    """Begin a program: what an earlier one in this process kept is forgotten."""
    global _program
    _program = Program()
    return _program
