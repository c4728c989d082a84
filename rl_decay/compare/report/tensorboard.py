"""Arms as TensorBoard runs of their own, beside the runs that they are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.compare.analysis.alignment import align, in_returns
from rl_decay.compare.figures import plots
from rl_decay.compare.model import Arm, Comparison, Run
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.metrics.streaming import OscillationStream
from rl_decay.runs import layout
from rl_decay.runs.events import EventFile
from rl_decay.runs.files import require_inside

REPORT = "report"  # the run with the figures
LONGEST_NAME = 100  # of a folder
OSCILLATION = {tag.split("/")[1]: tag for tag in layout.TAGS if tag.startswith("oscillation/")}


def write_arms(
    comparison: Comparison, sweep_folder: str | Path, figures: Mapping[str, bytes] | None = None
) -> list[Path]:
    """Write each arm as a TensorBoard run `arms/<name>` of a sweep, and the figures as images of `arms/report`.

    A run holds the means over the arm's runs under the tags of a single run: eval/return, eval/score, lr/*,
    oscillation/* (each run's own, then the mean; NaN wherever one run has none), and a row in HParams with the arm's
    estimates. Several tasks are runs of their own. `figures` are drawn unless given, if matplotlib is installed.
    Returns the files; those of an earlier call are removed.
    """
    folder = Path(sweep_folder) / layout.ARMS
    if figures is None:
        figures = plots.figures(comparison) if plots.available() else {}
    require_inside(folder, Path(sweep_folder))
    _clear(folder)
    runs = [_of_task(arm, task) for arm in comparison.arms for task in comparison.tasks]
    several = len(comparison.tasks) > 1
    names = folder_names([f"{arm.name} {arm.runs[0].task}" if several else arm.name for arm in runs if arm.runs])
    files = [_write_arm(folder / name, comparison, arm) for name, arm in zip(names, (a for a in runs if a.runs))]
    return [*files, _write_figures(folder / REPORT, figures)] if figures else files


def folder_names(names: Iterable[str]) -> list[str]:
    """Names of arms as folder names: distinct, short, and of characters that every file system takes."""
    taken = {REPORT}
    result = []
    for name in names:
        plain = re.sub(r"[^\w=+,.@-]+", "_", name, flags=re.ASCII).strip("._")[:LONGEST_NAME] or "arm"
        distinct = next(
            n for i in range(len(taken) + 1) if (n := plain if i == 0 else f"{plain}_{i + 1}").lower() not in taken
        )
        taken.add(distinct.lower())
        result.append(distinct)
    return result


def _of_task(arm: Arm, task: str) -> Arm:
    return replace(arm, runs=tuple(run for run in arm.runs if run.task == task))


def _clear(folder: Path) -> None:
    """Remove the event files of an earlier call, and the folders that then are empty; nothing else."""
    for mark in folder.glob(f"*/{layout.ARM_MARK}"):
        for old in mark.parent.glob(f"{layout.EVENTS}*"):
            old.unlink()
        mark.unlink()
        if not any(mark.parent.iterdir()):
            mark.parent.rmdir()


def _made(folder: Path) -> EventFile:
    """The event file of a folder that the next call may clear: one that it finds without other event files."""
    require_inside(folder, folder.parent)
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob(f"{layout.EVENTS}*")):
        (folder / layout.ARM_MARK).touch()
    return EventFile(folder)


def _write_arm(folder: Path, comparison: Comparison, arm: Arm) -> Path:
    events = _made(folder)
    events.restart(0)  # a TensorBoard that is looking forgets the points of the file before
    events.add_chart_layout(layout.CHARTS)
    # The keys are those of a run, so that the table of a whole sweep has one set of columns; an arm has no seed.
    events.hparams(dict(arm.runs[0].config) | {"seed": None}, layout.FINAL_TAGS, first=tuple(arm.values))
    points: dict[int, dict[str, float]] = {}
    for tag, (steps, values) in _series(comparison, arm).items():
        for step, value in zip(steps, values):
            points.setdefault(int(step), {})[tag] = value
    end = max(points, default=0)
    points.setdefault(end, {}).update(_final(comparison, arm))
    for step in sorted(points):
        events.scalars(step, points[step])
    events.session_end(layout.FINISHED)
    events.flush()
    return events.path


def _series(comparison: Comparison, arm: Arm) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Every curve of an arm: {tag: (env steps [K], values [K])}."""
    steps, scores = align(arm.runs)
    curves = {"eval/return": (steps, in_returns(comparison, arm.runs[0].task, scores.mean(axis=0)))}
    if comparison.unit == "score":
        curves["eval/score"] = (steps, scores.mean(axis=0))
    oscillation = [_oscillation(run, steps, y) for run, y in zip(arm.runs, scores)]
    for name, tag in OSCILLATION.items():
        curves[tag] = (steps, np.mean([of_run[name] for of_run in oscillation], axis=0))
    for role in ("actor", "critic"):
        rates = [run.rates[role] for run in arm.runs if role in run.rates]
        if rates:
            curves[f"lr/{role}"] = max(rates, key=lambda curve: len(curve[0]))
    return curves


def _oscillation(run: Run, steps: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    stream = OscillationStream(end=run.total_steps, share=LATE_SHARE)
    points = [stream.add(t, y) for t, y in zip(steps, scores)]
    return {name: np.array([point[name] for point in points]) for name in OSCILLATION}


def _final(comparison: Comparison, arm: Arm) -> dict[str, Any]:
    """The estimates of an arm under the tags that HParams shows; those of several tasks belong to no single one."""
    estimates = comparison.estimates[arm.name] if len(comparison.tasks) == 1 else {}
    final, osc = (estimates[name].value if name in estimates else None for name in ("final", "osc_late"))
    values = None if final is None else in_returns(comparison, arm.runs[0].task, final), osc
    return dict(zip(layout.FINAL_TAGS, values))


def _write_figures(folder: Path, figures: Mapping[str, bytes]) -> Path:
    events = _made(folder)
    events.restart(0)
    for name, png in figures.items():
        events.image(name, 0, png)
    events.flush()
    return events.path
