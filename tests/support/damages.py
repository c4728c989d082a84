"""Damage to the files of a run or a sweep, each a function of its random numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch

from rl_decay.runs import layout
from rl_decay.training import checkpoints

DEEP = "[" * 5000 + "]" * 5000
OTHER_JSON = ("null", "3", '"x"', "true", "[]", "[1]", "[null]", "[[]]", "{}", "[{}]", '{"a": 1}', "nan", "{", "", DEEP)
LEAVES: tuple[Any, ...] = (
    *(
        None,
        True,
        0,
        -1,
        1.5,
        2**63,
        10**400,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "nope\n\x1b[31m<script>",
        "\ud800",
    ),
    *(
        [],
        [1],
        [[]],
        {},
        {"a": 1},
        "..",
        ".",
        "/nonexistent",
        "a\x00b",
        "a" * 5000,
        "module:Nope-v0",
        [None],
        {"": None},
    ),
)
CELLS = ("", "nan", "inf", "1e400", "x", "-1", "é", '"', "\x00", "0x10", "1,2", " ", "9" * 400)
IMPORTANT = {layout.SUMMARY: 4, layout.JOBS: 4, layout.LATEST: 4}  # more often than others
TENSORS: tuple[Any, ...] = (
    *(None, 3, "x", [], {}, torch.zeros(0), torch.zeros(1), torch.zeros(3, 7, 2), torch.full((1, 4), torch.nan)),
    *(torch.zeros(1, dtype=torch.int64), torch.zeros((), dtype=torch.bool), torch.zeros(1, 2, dtype=torch.complex64)),
    torch.zeros(10**6, 2, 1),  # a million steps to replay
)


def damage(random: Random, folder: Path) -> str:
    """Damage one file somewhere below a folder; returns what was done, in words."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and ".hydra" not in path.parts)
    names = sorted({path.name for path in files})  # each once: else event files and logs would be half of them
    name = random.choices(names, [IMPORTANT.get(name, 1) for name in names])[0]
    path = random.choice([file for file in files if file.name == name])
    kinds: list[Callable[[Random, Path], str]] = [_truncate, _flip, _replace]
    if path.suffix == ".json":
        kinds += [_other_json, _change_json, _change_json, _change_json]
    if path.suffix == ".csv":
        kinds += [_change_table, _change_table]
    if path.suffix == ".pt":
        kinds += [_change_checkpoint, _change_checkpoint, _change_checkpoint]
    return f"{path.relative_to(folder)}: {random.choice(kinds)(random, path)}"


def _truncate(random: Random, path: Path) -> str:
    data = path.read_bytes()
    length = random.randrange(len(data)) if data else 0
    path.write_bytes(data[:length])
    return f"cut to {length} of {len(data)} bytes"


def _flip(random: Random, path: Path) -> str:
    data = bytearray(path.read_bytes())
    bits = [random.randrange(8 * len(data)) for _ in range(random.choice((1, 1, 8)))] if data else []
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    return f"bits {bits} flipped"


def _replace(random: Random, path: Path) -> str:
    other = random.choice(("nothing", "a folder", "an empty file", "a full folder", "noise", "itself", "zeros"))
    data = path.read_bytes()
    path.unlink()
    if other in ("a folder", "a full folder"):
        path.mkdir()
    if other == "a full folder":
        (path / "file").write_text("content")
    contents = {"an empty file": b"", "noise": random.randbytes(100), "zeros": bytes(len(data))}
    if other in contents:
        path.write_bytes(contents[other])
    if other == "itself":
        path.symlink_to(path.name)
    return f"replaced by {other}"


def _other_json(random: Random, path: Path) -> str:
    text = random.choice(OTHER_JSON)
    path.write_text(text)
    return f"replaced by the JSON {text[:20]}"


def _change_json(random: Random, path: Path) -> str:
    """Change, remove or add one entry at a random depth."""
    content = json.loads(path.read_text())
    owner, keys = content, []
    while True:
        key = random.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
        keys.append(key)
        if not (isinstance(owner[key], (dict, list)) and owner[key]) or random.random() < 0.2:
            break
        owner = owner[key]
    how = random.choice(("changed", "changed", "changed", "removed", "added", "nested"))
    value = random.choice(LEAVES)
    if how == "changed":
        owner[key] = value
    elif how == "removed":
        del owner[key]
    elif how == "nested":
        value = owner[key] = [owner[key]]
    elif isinstance(owner, dict):
        owner["unknown"] = value
    else:
        owner.append(value)
    path.write_text(json.dumps(content))
    return f"{how} {keys} to {value!r:.60}"


def _change_table(random: Random, path: Path) -> str:
    lines = path.read_text().split("\n")
    at = random.randrange(len(lines))
    how = random.choice(("cell", "cell", "lost", "twice", "swapped", "bytes"))
    cells = lines[at].split(",")
    cells[random.randrange(len(cells))] = cell = random.choice(CELLS)
    other = random.randrange(len(lines))
    if how == "cell":
        lines[at] = ",".join(cells)
    elif how == "lost":
        del lines[at]
    elif how == "twice":
        lines.insert(at, lines[at])
    elif how == "swapped":
        lines[at], lines[other] = lines[other], lines[at]
    data = "\n".join(lines).encode()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xfe" + data[len(data) // 2 :] if how == "bytes" else data)
    return f"line {at} {how} {cell!r:.20} ({other})"


def _change_checkpoint(random: Random, path: Path) -> str:
    """Change, remove or add one entry, and save it whole, with the checksum of what it then holds."""
    content = checkpoints.load(path)
    owner, keys = content, []
    while True:
        key = random.choice(list(owner))
        keys.append(key)
        if not (isinstance(owner[key], dict) and owner[key]) or random.random() < 0.2:
            break
        owner = owner[key]
    how = random.choice(("changed", "changed", "removed", "added"))
    value = random.choice(TENSORS if random.random() < 0.5 else LEAVES)
    if isinstance(owner[key], torch.Tensor) and random.random() < 0.4:
        value = random.choice(
            (owner[key][:0], owner[key].repeat(2, *[1] * (owner[key].dim() - 1)), owner[key].double() * 3)
        )
    if how == "removed":
        del owner[key]
    else:
        owner["unknown" if how == "added" else key] = value
    checkpoints.save(path, content)
    return f"{how} {keys} to {value!r:.60}"


def swap(random: Random, folder: Path) -> str:
    """Give one file the content of another one of its folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != layout.LOCK)
    one, other = random.sample(files, 2)
    shutil.copyfile(other, one)
    return f"{one.relative_to(folder)}: replaced by {other.relative_to(folder)}"
