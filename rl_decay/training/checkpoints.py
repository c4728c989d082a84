"""Checkpoints: tensors and plain values only, written whole or not at all, and checked when they are read."""

from __future__ import annotations

import hashlib
import io
import os
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from rl_decay.errors import UserError, one_line
from rl_decay.runs.durable import write_atomically
from rl_decay.runs.files import entries, is_file, open_to_read
from rl_decay.runs.layout import LATEST
from rl_decay.training import out_of_memory
from rl_decay.training.content import check_size, content_problem
from rl_decay.types import Spaces

CHECKPOINT_VERSION = 2
ONLY_TO_CONTINUE = ("run", "actions", "digests")


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an iteration: what its checkpoint files hold.

    best.pt is a policy, not a place to go on from: its `run`, `actions` and `digests` are None.
    """

    config: dict[str, Any]  # flat: {dotted key: value}
    fingerprint: str | None
    spaces: Spaces
    evaluation_cap: int | None  # steps; None: without a cap, or begun before it was recorded
    iteration: int
    agent: dict[str, Any]  # `PPO.state_dict`, cut to the one member
    run: dict[str, Any] | None = None  # `RunRecorder.state_dict`: lengths of the run's files, and its counts
    actions: Tensor | None = None  # [t, N(, C or A)] since the start of the segment in progress
    digests: Tensor | None = None  # [1 + t] of what the task gave for them

    def save(self, path: Path) -> None:
        """Write the file, as `save`."""
        content = {field.name: getattr(self, field.name) for field in fields(self)} | {"spaces": _sizes(self.spaces)}
        if self.run is None:
            content = {name: value for name, value in content.items() if name not in ONLY_TO_CONTINUE}
        save(path, content)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Read a file; errors as `load`."""
        content = load(path)
        values: dict[str, Any] = {field.name: content.get(field.name) for field in fields(cls)}
        sizes = content["spaces"]
        nvec = tuple(sizes.get("nvec", ()))  # of actions with components alone
        values["spaces"] = Spaces(sizes["obs_size"], sizes["num_actions"], sizes["continuous"], nvec)
        return cls(**values)


def _sizes(spaces: Spaces) -> dict[str, Any]:
    """Spaces as a checkpoint holds them: without `nvec` where an action has no components, as in older checkpoints."""
    sizes = asdict(spaces) | {"nvec": list(spaces.nvec)}
    return sizes if spaces.nvec else {name: size for name, size in sizes.items() if name != "nvec"}


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
    torch.save({"schema_version": CHECKPOINT_VERSION, "sha256": content_sha256(content), **content}, buffer)
    write_atomically(path, buffer.getvalue())


def content_sha256(content: Any) -> str:
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
    write_atomically(folder / f"iteration_{iteration:09d}.pt", (folder / LATEST).read_bytes())
    for old in numbered(folder)[:-keep]:
        old.unlink()


def numbered(folder: Path) -> list[Path]:
    """The copies that were kept, oldest first."""
    return [path for path in entries(folder) if re.fullmatch(r"iteration_\d+\.pt", path.name)]


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running any code from it.

    UserError, with the way out, if there is none, it is not one of ours, damaged, or newer than this program.
    """
    if not is_file(path):
        raise UserError(f"{path}: no such checkpoint")
    with open_to_read(path) as file:
        try:
            with out_of_memory.explained():
                content = _plain_content(file)
                version = int(content.pop("schema_version"))
                saved_sha256 = content.pop("sha256", None)
                actual_sha256 = content_sha256(content) if version == CHECKPOINT_VERSION else None
        except UserError as error:  # a lack of memory: the file may be sound
            raise UserError(f"{path}: cannot be read ({error})") from error
        except OSError as error:  # of the disk: so may this one be
            raise UserError(f"{path}: cannot be read ({error.strerror or one_line(error)})") from error
        except Exception as error:  # torch raises many kinds for a damaged or foreign file
            raise UserError(
                f"{path}: not a readable rl_decay checkpoint ({type(error).__name__}){way_out(path)}"
            ) from error
    if version != CHECKPOINT_VERSION:
        age = "newer than" if version > CHECKPOINT_VERSION else "too old for"
        raise UserError(
            f"{path}: schema version {version} is {age} this program's {CHECKPOINT_VERSION}; use its version"
        )
    if actual_sha256 != saved_sha256:
        raise UserError(f"{path}: damaged, its content does not have the SHA-256 it was saved with{way_out(path)}")
    if problem := content_problem(content):
        raise UserError(f"{path}: not a readable rl_decay checkpoint ({problem}){way_out(path)}")
    return content


def _plain_content(file: BinaryIO) -> Any:
    """What an open file holds, in no more time and memory than its size is worth; any exception for a foreign one."""
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as parts:  # torch's own format, which stores and never compresses
        inflated = sum(part.file_size for part in parts.infolist())
    if inflated > size:
        raise ValueError("compressed")
    file.seek(0)
    content = torch.load(file, map_location="cpu", weights_only=True)
    check_size(content, size)
    return content


def way_out(path: Path) -> str:
    """What to do about a damaged checkpoint, to be added to the words that say so.

    Empty unless the file is latest.pt: for other checkpoints there is no way out.
    """
    if path.name != LATEST:
        return ""
    copies = numbered(path.parent)
    return f"; copy {copies[-1].name} over it to go on from there" if copies else "; delete it to start the run anew"
