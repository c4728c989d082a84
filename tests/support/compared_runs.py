"""What two runs have in common, to the bit. The speed is no result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from rl_decay.runs import layout
from rl_decay.training import checkpoints

SPEED = "charts/SPS"
CONTINUED = ("wall_seconds", "steps_per_second", "resumed", "overrides")  # of a summary, after a continuation
CLOCK = ("/sha256", "/run/wall_seconds", "/run/files")  # of a checkpoint: the clock, and lengths of files that name it


def different(one: dict[str, Any], other: dict[str, Any], ignore: tuple[str, ...] = ()) -> list[str]:
    """Names of what differs, without those that begin with one of `ignore`."""
    names = [name for name in one.keys() | other.keys() if not name.startswith(ignore)]
    return sorted(name for name in names if one.get(name) != other.get(name))


def recorded_differences(one: Path, other: Path) -> list[str]:
    """Names of what differs between two folders of one run."""
    return different(recorded(one), recorded(other))


def learned(folder: Path) -> dict[str, Any]:
    """Tables, cell by cell, and the last checkpoint's agent, byte by byte."""
    latest = folder / layout.CHECKPOINTS / layout.LATEST
    agent = checkpoints.load(latest)["agent"] if latest.exists() else {}
    evaluations = {f"evaluations/{name}": cells for name, cells in table(folder / layout.EVALUATIONS_CSV).items()}
    return _without_speed(table(folder / layout.METRICS_CSV)) | evaluations | leaves(agent, "agent")


def recorded(folder: Path) -> dict[str, Any]:
    """Tables, scalars, and the agents of the last and of the best checkpoint."""
    content: dict[str, Any] = {"scalars": scalars(folder), **_tables(folder)}
    for path in (folder / layout.CHECKPOINTS / name for name in (layout.LATEST, layout.BEST)):
        saved = checkpoints.load(path)
        content |= leaves(saved["agent"], f"{path.name}/agent")
        content[f"{path.name}/iteration"] = saved["iteration"]
    return content


def continued(folder: Path) -> dict[str, Any]:
    """Everything that a continuation must not change: files by name, and all results that are in them."""
    content: dict[str, Any] = {**_tables(folder), "scalars": scalars(folder), "descriptions": _descriptions(folder)}
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    hydra = (".hydra", layout.EVENTS, "train.log")
    content["files"] = sorted(name for name in names if not name.startswith(hydra))
    for path in sorted((folder / layout.CHECKPOINTS).glob("*.pt")):
        saved = checkpoints.load(path)
        content[path.name] = (saved["iteration"], leaves(saved.get("actions"), ""), leaves(saved["agent"], ""))
    summary = json.loads((folder / layout.SUMMARY).read_text())
    summary["config"].pop("resume")
    return content | {f"summary/{key}": value for key, value in summary.items() if key not in CONTINUED}


def launched(folder: Path) -> dict[str, Any]:
    """Everything that a job of a sweep leaves, by whatever launcher: Hydra's record and whole checkpoints too."""
    content = _tables(folder)
    assert content[f"{layout.METRICS_CSV}/env_steps"], f"{folder} has no rows"
    for name in ("config.yaml", "overrides.yaml"):
        content[name] = (folder / ".hydra" / name).read_text()
    summary = json.loads((folder / layout.SUMMARY).read_text())
    times = ("wall_seconds", "steps_per_second")
    content |= {f"{layout.SUMMARY}/{key}": value for key, value in summary.items() if key not in times}
    saved = sorted((folder / layout.CHECKPOINTS).glob("*"))
    assert saved or summary["status"] == "diverged", f"{folder} has no checkpoints"
    for path in saved:
        content |= leaves(checkpoints.load(path), path.name)
    return {name: value for name, value in content.items() if not any(part in name for part in CLOCK)}


def table(path: Path) -> dict[str, tuple[str, ...]]:
    """The cells of a CSV file as they are written, by column."""
    head, *rows = [line.split(",") for line in path.read_text().splitlines()]
    return {name: tuple(row[i] for row in rows) for i, name in enumerate(head)}


def leaves(state: Any, name: str) -> dict[str, Any]:
    """{path: value} of nested mappings; of a tensor its type, its shape and its bytes."""
    if isinstance(state, dict):
        content: dict[str, Any] = {}
        for key, value in state.items():
            content |= leaves(value, f"{name}/{key}")
        return content
    return {name: (str(state.dtype), tuple(state.shape), state.numpy().tobytes()) if hasattr(state, "numpy") else state}


def events(folder: Path) -> Iterator[Any]:
    """The TensorBoard events of a run, file after file as TensorBoard reads them."""
    for path in sorted(folder.glob(f"{layout.EVENTS}*")):
        yield from LegacyEventFileLoader(str(path)).Load()


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """(step, tag, value) in the order of the files."""
    return [
        (event.step, value.tag, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
        if value.HasField("simple_value") and value.tag != SPEED
    ]


def _descriptions(folder: Path) -> list[tuple[str, int]]:
    return [
        (value.tag, event.step)
        for event in events(folder)
        for value in event.summary.value
        if not value.HasField("simple_value")
    ]


def _tables(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV):
        columns = _without_speed(table(folder / name))
        content |= {f"{name}/{column}": cells for column, cells in columns.items()}
    return content


def _without_speed(columns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: cells for name, cells in columns.items() if not name.startswith(SPEED)}
