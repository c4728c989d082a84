"""Checkpoints: tensors and plain values only, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from rl_decay.errors import UserError
from rl_decay.runs.layout import LATEST

SCHEMA_VERSION = 1


def member_state(state: Any, member: int) -> Any:
    """Cut one member [1, ...] out of nested dicts of tensors [M, ...]."""
    if isinstance(state, dict):
        return {key: member_state(value, member) for key, value in state.items()}
    return state[member : member + 1].clone()  # a copy: a view would save all members


def to_cpu(state: Any) -> Any:
    """The same nested dicts with every tensor on the CPU."""
    if isinstance(state, dict):
        return {key: to_cpu(value) for key, value in state.items()}
    return state.cpu()


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint beside its place, then move it there; whoever reads sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        with open(temporary, "wb") as file:
            torch.save({"schema_version": SCHEMA_VERSION, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def keep_copy(folder: Path, iteration: int, keep: int) -> None:
    """Keep copies of the newest `keep` checkpoints under their iteration's number."""
    if keep == 0:
        return
    numbered = folder / f"iteration_{iteration:09d}.pt"
    shutil.copyfile(folder / LATEST, numbered)
    for old in sorted(folder.glob("iteration_*.pt"))[:-keep]:
        old.unlink()


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; UserError if there is none or it is not one of ours."""
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = int(content["schema_version"])
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise UserError(f"{path}: not a readable rl_decay checkpoint ({type(error).__name__})") from error
    if version > SCHEMA_VERSION:
        raise UserError(f"{path}: schema version {version} is newer than this program's {SCHEMA_VERSION}; update it")
    return content
