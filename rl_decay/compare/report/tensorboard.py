"""Arms as TensorBoard runs of their own, beside the runs that they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.compare.analysis.alignment import align, in_returns, rate_curve
from rl_decay.compare.model import Arm, Comparison, Points, Run
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.metrics.streaming import OscillationStream
from rl_decay.runs import layout
from rl_decay.runs.events import EventFile
from rl_decay.runs.files import require_inside
from rl_decay.types import GROUPS

REPORT = "report"  # the run with the figures
LONGEST_NAME = 100  # of a folder
OSCILLATION = {tag.split("/")[1]: tag for tag in layout.TAGS if tag.startswith("oscillation/")}


def write_arms(comparison: Comparison, sweep_folder: str | Path, figures: Mapping[str, bytes]) -> list[Path]:
    """Write each arm as a TensorBoard run `arms/<name>` of a sweep, and the figures as images of `arms/report`.

    A run holds the means over the arm's runs under the tags of a single run: eval/return, eval/score, lr/*,
    oscillation/* (each run's own, then the mean; NaN wherever one run has none), and a row in HParams with the arm's
    estimates. Several tasks are runs of their own. Returns the files; those of an earlier call are removed.
    """
    folder = Path(sweep_folder) / layout.ARMS
    require_inside(folder, Path(sweep_folder))
    _clear(folder)
    parts = _by_task(comparison)
    names = folder_names(name for name, _ in parts)
    files = []
    for name, (_, arm) in zip(names, parts, strict=True):
        files.append(_write_arm(folder / name, comparison, arm))
    if figures:
        files.append(_write_figures(folder / REPORT, figures))
    return files


def folder_names(names: Iterable[str]) -> list[str]:
    """Names of arms as folder names: distinct, short, and of characters that every file system takes."""
    taken = {REPORT}
    distinct = []
    for name in names:
        plain = re.sub(r"[^\w=+,.@-]+", "_", name, flags=re.ASCII)
        plain = plain.strip("._")[:LONGEST_NAME] or "arm"  # a leading dot would hide the folder
        candidate = plain
        copies = 1
        while candidate.lower() in taken:  # some file systems take A and a for one name
            copies += 1
            candidate = f"{plain}_{copies}"
        taken.add(candidate.lower())
        distinct.append(candidate)
    return distinct


def _by_task(comparison: Comparison) -> list[tuple[str, Arm]]:
    """Every arm, cut into its tasks, with a name for each part; arms without runs on a task are missing."""
    parts = []
    for arm in comparison.arms:
        for task in comparison.tasks:
            runs = tuple(run for run in arm.runs if run.task == task)
            name = f"{arm.name} {task}" if len(comparison.tasks) > 1 else arm.name
            if runs:
                parts.append((name, replace(arm, runs=runs)))
    return parts


def _clear(folder: Path) -> None:
    """Remove the event files of an earlier call, and the folders that then are empty; nothing else.

    A folder named `arms` may be anybody's: only folders with this program's mark are cleared.
    """
    for mark in folder.glob(f"*/{layout.ARM_MARK}"):
        for old in mark.parent.glob(f"{layout.EVENTS}*"):
            old.unlink()
        mark.unlink()
        if not any(mark.parent.iterdir()):
            mark.parent.rmdir()


def _new_events(folder: Path) -> EventFile:
    """A new event file in a folder. Mark the folder for the next call to clear, unless it holds others' event files."""
    require_inside(folder, folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob(f"{layout.EVENTS}*")):
        (folder / layout.ARM_MARK).touch()
    return EventFile(folder)


def _write_arm(folder: Path, comparison: Comparison, arm: Arm) -> Path:
    events = _new_events(folder)
    events.restart(0)  # a TensorBoard that is looking forgets the points of the file before
    events.add_chart_layout(layout.CHARTS)
    # The same keys as a single run, so that HParams shows runs and arms in one table; an arm has no seed.
    config = {**arm.runs[0].config, "seed": None}
    events.hparams(config, layout.FINAL_TAGS, first=tuple(arm.values))
    # TensorBoard wants steps in order; the tags of one step go into one record.
    rows: dict[int, dict[str, float]] = {}
    for tag, (steps, values) in _curves(comparison, arm).items():
        for step, value in zip(steps, values):
            rows.setdefault(int(step), {})[tag] = value
    end = max(rows, default=0)
    rows.setdefault(end, {}).update(_final_values(comparison, arm))
    for step in sorted(rows):
        events.scalars(step, rows[step])
    events.session_end(layout.FINISHED)
    events.flush()
    return events.path


def _curves(comparison: Comparison, arm: Arm) -> dict[str, Points]:
    """Every curve of an arm by its tag."""
    steps, scores = align(arm.runs)
    mean = scores.mean(axis=0)
    curves = {"eval/return": (steps, in_returns(comparison, arm.runs[0].task, mean))}
    if comparison.unit == "score":
        curves["eval/score"] = (steps, mean)
    # Each run's oscillation first, then the mean: the mean of many curves hardly oscillates.
    oscillation = [_oscillation(run, steps, own) for run, own in zip(arm.runs, scores)]
    for name, tag in OSCILLATION.items():
        of_runs = [values[name] for values in oscillation]
        curves[tag] = (steps, np.mean(of_runs, axis=0))
    for group in GROUPS:
        curves[f"lr/{group}"] = rate_curve(arm.runs, group)
    return curves


def _oscillation(run: Run, steps: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of oscillation of one run at every step: {name: [K]}."""
    stream = OscillationStream(end=run.total_steps, share=LATE_SHARE)
    values: dict[str, list[float]] = {name: [] for name in OSCILLATION}
    for t, y in zip(steps, scores):
        point = stream.add(t, y)
        for name in OSCILLATION:
            values[name].append(point[name])
    return {name: np.array(curve) for name, curve in values.items()}


def _final_values(comparison: Comparison, arm: Arm) -> dict[str, Any]:
    """The estimates of an arm under the tags that HParams shows; None for several tasks, which share one estimate."""
    if len(comparison.tasks) > 1:
        return dict.fromkeys(layout.FINAL_TAGS)
    estimates = comparison.estimates[arm.name]
    final = in_returns(comparison, arm.runs[0].task, estimates["final"].value)
    return dict(zip(layout.FINAL_TAGS, (final, estimates["osc_late"].value), strict=True))


def _write_figures(folder: Path, figures: Mapping[str, bytes]) -> Path:
    events = _new_events(folder)
    events.restart(0)
    for name, png in figures.items():
        events.image(name, 0, png)
    events.flush()
    return events.path
