"""Checkpoints: tensors and plain values only, written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rl_decay.errors import UserError
from rl_decay.runs.durable import replace
from rl_decay.runs.layout import LATEST

SCHEMA_VERSION = 2


def member_state(state: Any, member: int) -> Any:
    """Cut one member [1, ...] out of nested dicts of tensors [M, ...]."""
    if isinstance(state, dict):
        return {key: member_state(value, member) for key, value in state.items()}
    return state[member : member + 1].clone()  # a copy: a view would save all members


def join_members(states: Sequence[Any]) -> Any:
    """The nested dicts of tensors [M, ...] of members [1, ...]: what `member_state` cut apart."""
    if isinstance(states[0], dict):
        return {key: join_members([state[key] for state in states]) for key in states[0]}
    return torch.cat(list(states))


def to_cpu(state: Any) -> Any:
    """The same nested dicts with every tensor on the CPU."""
    if isinstance(state, dict):
        return {key: to_cpu(value) for key, value in state.items()}
    return state.cpu()


def save(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint in one step, with schema version and SHA-256; whoever reads sees the old one or the new."""
    path.parent.mkdir(exist_ok=True)  # without its parents: a run folder that was removed is not made anew
    buffer = io.BytesIO()
    torch.save({"schema_version": SCHEMA_VERSION, "sha256": digest(content), **content}, buffer)
    replace(path, buffer.getvalue())


def digest(content: Any) -> str:
    """SHA-256, in hex, over nested dicts and lists of CPU tensors and plain values, in their order."""
    sha = hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, Tensor):
            if value.requires_grad:
                raise ValueError("a tensor with a gradient")  # never saved; numpy() would refuse it
            sha.update(f"{value.dtype}{tuple(value.shape)}".encode())
            sha.update(value.contiguous().numpy().tobytes())
        elif isinstance(value, (dict, list)):
            sha.update(f"{type(value).__name__}{len(value)}".encode())
            for item in value.items() if isinstance(value, dict) else enumerate(value):
                sha.update(repr(item[0]).encode())
                take(item[1])
        else:
            sha.update(repr(value).encode())

    take(content)
    return sha.hexdigest()


def keep_copy(folder: Path, iteration: int, keep: int) -> None:
    """Keep copies of the newest `keep` checkpoints under their iteration's number."""
    if keep == 0:
        return
    replace(folder / f"iteration_{iteration:09d}.pt", (folder / LATEST).read_bytes())
    for old in numbered(folder)[:-keep]:
        old.unlink()


def numbered(folder: Path) -> list[Path]:
    """The copies that were kept, oldest first."""
    return sorted(folder.glob("iteration_*.pt"))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running any code from it.

    UserError, with the way out, if there is none, it is not one of ours, damaged, or newer than this program.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version, sha256 = int(content.pop("schema_version")), content.pop("sha256", None)
        found = digest(content) if version == SCHEMA_VERSION else None
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise UserError(
            f"{path}: not a readable rl_decay checkpoint ({type(error).__name__}){_way_out(path)}"
        ) from error
    if version != SCHEMA_VERSION:
        age = "newer than" if version > SCHEMA_VERSION else "too old for"
        raise UserError(f"{path}: schema version {version} is {age} this program's {SCHEMA_VERSION}; use its version")
    if found != sha256:
        raise UserError(f"{path}: damaged, its content does not have the SHA-256 it was saved with{_way_out(path)}")
    if missing := {"config", "spaces", "iteration", "agent"} - content.keys():
        raise UserError(f"{path}: not a readable rl_decay checkpoint (no {', '.join(sorted(missing))}){_way_out(path)}")
    return content


def _way_out(path: Path) -> str:
    copies = [copy for copy in numbered(path.parent) if copy != path]
    if path.name != LATEST:
        return ""
    return f"; copy {copies[-1].name} over it to go on from there" if copies else "; delete it to start the run anew"
