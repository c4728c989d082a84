"""From folders to runs: run folders, sweeps, or anything with run folders below it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.compare.model import EVALUATION, OWN, PYTHON, TRAIN_PY, TRAINING, Run, Unfinished
from rl_decay.compare.reading.measures import measure, measure_training, training_curve
from rl_decay.compare.reading.unfinished import unfinished
from rl_decay.config.arm_names import text
from rl_decay.config.identity import arm_keys
from rl_decay.config.recorded import check_kinds
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError, escaped, one_line
from rl_decay.metrics.tasks import score, scored_task, unit
from rl_decay.runs import files, layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import columns, evaluation_curve

COMPARED = (layout.FINISHED, layout.DIVERGED)
RATES = {"actor": "lr/actor", "critic": "lr/critic"}
RETURN_100 = "charts/return_100"
CURVES = ("schedule.actor.curve", "schedule.critic.curve")
PROTOCOL = (
    *("evaluation.seed", "evaluation.episodes", "evaluation.early", "evaluation.late"),
    "evaluation.max_steps",
)
SKIPPED_FOLDERS = (layout.CHECKPOINTS, ".hydra", ".git")


@dataclass(frozen=True)
class Loaded:
    """What lay in the folders: runs to compare, runs to list, and a line for each thing that could not be read."""

    runs: tuple[Run, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    skipped: tuple[str, ...] = ()

    def __add__(self, other: Loaded) -> Loaded:
        runs, unfinished = self.runs + other.runs, self.unfinished + other.unfinished
        return Loaded(runs, unfinished, self.skipped + other.skipped)

    @property
    def empty(self) -> bool:
        """Whether nothing was found, not even something unreadable."""
        return not (self.runs or self.unfinished or self.skipped)


def load(folders: Iterable[str | Path], training: bool = False) -> Loaded:
    """Read every run in or below the folders, each once, in the order of their paths.

    Runs that finished or diverged are compared, with every metric of measures.py; all others are listed. A run whose
    summary or evaluations are damaged is skipped, with a line that names the file; but a diverged run stays, because
    what it scores does not depend on its curve. With `training` a curve is the training return of metrics.csv (the mean
    of the last 100 episodes) instead of the evaluations.
    Errors: UserError for a folder that does not exist.
    """
    return collect(folders, layout.is_run, lambda folder: read(folder, training))


def collect(
    folders: Iterable[str | Path],
    is_run: Callable[[Path], bool],
    reader: Callable[[Path], tuple[Run | Unfinished, Sequence[str]]],
) -> Loaded:
    """Read every folder in or below `folders` that is a run; what raises UserError becomes a line of `skipped`."""
    runs, others, skipped = [], [], []
    found = [folder for given in folders for folder in below(Path(given), is_run, skipped)]
    for folder in {folder.resolve(): folder for folder in found}.values():
        try:
            run, lines = reader(folder)
        except UserError as error:
            skipped.append(str(error))
            continue
        (runs if isinstance(run, Run) else others).append(run)
        skipped += lines
    return Loaded(tuple(runs), tuple(others), tuple(skipped))


def below(folder: Path, is_run: Callable[[Path], bool], skipped: list[str]) -> list[Path]:
    """The run folders in or below a folder, by path; a folder that cannot be looked into becomes a line of `skipped`.

    Errors: UserError if the folder itself does not exist.
    """
    if not files.is_folder(folder):
        raise UserError(f"{folder}: no such folder; give run folders, sweep folders, or folders with runs below them")
    found = []

    def skip(error: OSError) -> None:
        skipped.append(str(UserError(f"{error.filename}: cannot be listed ({error.strerror})")))

    for path, inner, _ in os.walk(folder, onerror=skip):
        try:
            run = is_run(Path(path))
        except UserError as error:
            skipped.append(str(error))
            run = False
        if run:
            found.append(Path(path))
            inner.clear()  # a run holds no runs
        inner[:] = sorted(name for name in inner if name not in SKIPPED_FOLDERS)
    return found


def read(folder: Path, training: bool = False) -> tuple[Run | Unfinished, list[str]]:
    """Read one run folder: the run, and a line for what could not be read of it. Errors: UserError if it is damaged."""
    summary = read_summary(folder)
    try:
        check_kinds(summary["config"], folder / layout.SUMMARY)
        config = flat(Config()) | summary["config"]
        config["horizon"] = _made_longer(summary) or config["horizon"]
        arm_keys(config)  # refuses what this version does not know
        per_iteration = config["env.num_envs"] * config["algo.num_steps"]
        end = config["total_steps"] // per_iteration * per_iteration
        if summary["status"] not in COMPARED:
            return unfinished(folder, summary, end), []
        return _run(folder, summary, config, end, training)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        problem = one_line(repr(error))
        raise UserError(f"{folder / layout.SUMMARY}: not as a run writes it ({problem}); run skipped") from None
    except UserError as error:
        line = str(error) if escaped(folder) in str(error) else f"{folder / layout.SUMMARY}: {error}; run skipped"
        raise UserError(line) from None


def _run(
    folder: Path, summary: Mapping[str, Any], config: dict[str, Any], end: int, training: bool
) -> tuple[Run, list[str]]:
    task, lines, rates = scored_task(config["env.id"], config["env.kwargs"]), [], {}
    try:
        iterations = columns(folder / layout.METRICS_CSV, ("env_steps", *RATES.values(), RETURN_100))
        rates = {group: (iterations["env_steps"], iterations[tag]) for group, tag in RATES.items()}
    except UserError as error:
        iterations = {"env_steps": np.empty(0), RETURN_100: np.empty(0)}
        lines.append(f"{error}; the run counts, its learning rates are not shown")
    try:
        steps, returns = _trained(iterations, end) if training else _evaluated(folder, summary["status"], end)
    except UserError as error:
        if summary["status"] != layout.DIVERGED:
            raise UserError(f"{error}; run skipped") from None
        steps = returns = np.empty(0)
        lines.append(f"{error}; the run diverged and counts as such")
    scores, kind = score(task, returns), unit(task)
    run = Run(
        folder=folder,
        task=task_name(config["env.id"], config["env.kwargs"]),
        seed=int(summary["seed"]),
        config=config,
        status=summary["status"],
        total_steps=end,
        unit=kind,
        steps=steps,
        scores=scores,
        rates=rates,
        versions=dict(summary["versions"]),
        overrides=tuple(summary["overrides"]),
        notes=tuple(map(str, summary.get("notes", ()))),
        kind=TRAINING if training else EVALUATION,
        identity=_identity(config, training),
        protocol={} if training else {key: config[key] for key in ("total_steps", *PROTOCOL)},
        constant=all(config[key] == "none" for key in CURVES),
        started_by=TRAIN_PY if summary["overrides"] or config["env.preset"] != "none" else PYTHON,
        metrics=(measure_training if training else measure)(steps, scores, end, kind),
    )
    return run, lines


def _identity(config: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """What tells the run's arm from others; how it was evaluated plays no part where training returns are compared."""
    ignored = PROTOCOL if training else ()
    return {"source": OWN} | {key: value for key, value in arm_keys(config).items() if key not in ignored}


def task_name(env_id: str, kwargs: Mapping[str, Any]) -> str:
    """What tells tasks apart: the id, and the arguments where there are any."""
    return f"{env_id} {text(kwargs)}" if kwargs else env_id


def _evaluated(folder: Path, status: str, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The evaluation curve [K], [K]. A finished run has an evaluation at its end; else rows are missing: UserError."""
    path = folder / layout.EVALUATIONS_CSV
    steps, returns = evaluation_curve(path)
    last = steps[-1] if len(steps) else 0
    if last > end or (status == layout.FINISHED and last < end):
        raise UserError(f"{path}: damaged (its last evaluation is at env step {last:.0f} of {end})")
    return steps, returns


def _trained(iterations: Mapping[str, np.ndarray], end: int) -> tuple[np.ndarray, np.ndarray]:
    steps, returns = iterations["env_steps"], iterations[RETURN_100]
    known = np.isfinite(returns)
    return training_curve(steps[known], returns[known], end)


def _made_longer(summary: Mapping[str, Any]) -> str:
    """How a run became longer, as far as its schedule depends on it: the runs of an arm have this in common."""
    said = [entry for entry in summary.get("resumed", ()) if "horizon" in entry]
    return ", ".join(
        f"{s['horizon']} from {s['total_steps_before']}"
        + ("" if s["horizon"] == "keep" else f" after iteration {s['iteration']}")
        for s in said
    )
