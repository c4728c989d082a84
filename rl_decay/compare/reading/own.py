"""From folders to runs: run folders, sweeps, or anything with run folders below it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.compare.model import EVALUATION, OWN, PYTHON, TRAIN_PY, TRAINING, Points, Run, Unfinished
from rl_decay.compare.reading.measures import measure, measure_training, training_curve
from rl_decay.compare.reading.unfinished import unfinished
from rl_decay.config.arm_names import text
from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.identity import arm_values
from rl_decay.config.recorded import check_kinds
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError, escaped, one_line
from rl_decay.metrics.tasks import keep_returns, score, scored_task, unit
from rl_decay.runs import files, layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import columns, evaluation_returns
from rl_decay.types import GROUPS

COMPARED = (layout.FINISHED, layout.DIVERGED)
RETURN_100 = "charts/return_100"
COLUMNS = ("env_steps", RETURN_100, *(f"lr/{group}" for group in GROUPS))  # of metrics.csv
CURVES = ("schedule.actor.curve", "schedule.critic.curve")
PROTOCOL = (
    *("evaluation.seed", "evaluation.episodes", "evaluation.early", "evaluation.late"),
    "evaluation.max_steps",
)
SKIPPED_FOLDERS = (layout.CHECKPOINTS, ".hydra", ".git")


@dataclass(frozen=True)
class Loaded:
    """The content of the folders: runs to compare, runs to list, and a line for each unreadable file or folder."""

    runs: tuple[Run, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    skipped: tuple[str, ...] = ()

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            self.runs + other.runs,
            self.unfinished + other.unfinished,
            self.skipped + other.skipped,
        )

    @property
    def empty(self) -> bool:
        """Whether the folders hold no run, readable or not."""
        return not (self.runs or self.unfinished or self.skipped)


def load(folders: Iterable[str | Path], training: bool = False) -> Loaded:
    """Read every run in or below the folders, each once, in the order of their paths.

    Runs that finished or diverged are compared, with every metric of measures.py; all others are listed. A run whose
    summary or evaluations are damaged is skipped, with a line that names the file; but a diverged run stays, because
    what it scores does not depend on its curve. With `training` a curve is the training return of metrics.csv (the mean
    of the last 100 episodes) instead of the evaluations.
    Errors: UserError for a folder that does not exist.
    """
    return collect(folders, layout.is_run, lambda folder: _read(folder, training))


def collect(
    folders: Iterable[str | Path],
    is_run: Callable[[Path], bool],
    reader: Callable[[Path], tuple[Run | Unfinished, Sequence[str]]],
) -> Loaded:
    """Read every run folder in or below `folders`; a UserError of the reader becomes a line of `skipped`."""
    skipped: list[str] = []
    run_folders: dict[Path, Path] = {}  # by their real paths: two arguments, or a link, may lead to one folder
    for given in folders:
        for folder in _below(Path(given), is_run, skipped):
            run_folders[folder.resolve()] = folder
    runs, others = [], []
    for folder in run_folders.values():
        try:
            run, lines = reader(folder)
        except UserError as error:
            skipped.append(str(error))
            continue
        (runs if isinstance(run, Run) else others).append(run)
        skipped += lines
    return Loaded(tuple(runs), tuple(others), tuple(skipped))


def task_name(env_id: str, kwargs: Mapping[str, Any], wrappers: Sequence[Any] = ()) -> str:
    """The id of the environment, and after a space its arguments if it has any: other arguments, another task.

    Wrappers that may change returns count as an argument; those that leave them alone only make another arm.
    """
    arguments = dict(kwargs)
    if not keep_returns(wrapper_paths(wrappers)):
        arguments["wrappers"] = list(wrappers)  # a name that no task's own argument may have
    return f"{env_id} {text(arguments)}" if arguments else env_id


def _below(folder: Path, is_run: Callable[[Path], bool], skipped: list[str]) -> list[Path]:
    """The run folders in or below a folder, by path; a folder that cannot be listed becomes a line of `skipped`.

    Errors: UserError if the folder itself does not exist.
    """
    if not files.is_folder(folder):
        raise UserError(f"{folder}: no such folder; give run folders, sweep folders, or folders with runs below them")

    def skip(error: OSError) -> None:
        skipped.append(str(UserError(f"{error.filename}: cannot be listed ({error.strerror})")))

    run_folders = []
    for path, inner, _ in os.walk(folder, onerror=skip):
        try:
            run = is_run(Path(path))
        except UserError as error:
            skipped.append(str(error))
            run = False
        if run:
            run_folders.append(Path(path))
            inner.clear()  # a run holds no runs
        # os.walk goes into what is left of this list, in its order.
        inner[:] = sorted(name for name in inner if name not in SKIPPED_FOLDERS)
    return run_folders


def _read(folder: Path, training: bool) -> tuple[Run | Unfinished, list[str]]:
    """Read one run folder: the run, and a line for each unreadable part of it. Errors: UserError if it is damaged."""
    summary = read_summary(folder)
    try:
        check_kinds(summary["config"], folder / layout.SUMMARY)
        flat_config = flat(Config()) | summary["config"]  # a key that is younger than the run has its default
        flat_config["horizon"] = _extensions(summary) or flat_config["horizon"]
        arm_values(flat_config)  # refuses keys and curves that this version does not know
        per_iteration = flat_config["env.num_envs"] * flat_config["algo.num_steps"]
        end = flat_config["total_steps"] // per_iteration * per_iteration
        if summary["status"] not in COMPARED:
            return unfinished(folder, summary, end), []
        return _ended_run(folder, summary, flat_config, end, training)
    # A summary that a person edited can hold anything of any type: whatever breaks here, the run is skipped.
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        problem = one_line(repr(error))
        raise UserError(f"{folder / layout.SUMMARY}: not as a run writes it ({problem}); run skipped") from None
    except UserError as error:
        line = str(error) if escaped(folder) in str(error) else f"{folder / layout.SUMMARY}: {error}; run skipped"
        raise UserError(line) from None


def _ended_run(
    folder: Path, summary: Mapping[str, Any], flat_config: dict[str, Any], end: int, training: bool
) -> tuple[Run, list[str]]:
    iterations, lines = _iterations(folder)
    try:
        steps, returns = _trained(iterations, end) if training else _evaluated(folder, summary["status"], end)
    except UserError as error:
        if summary["status"] != layout.DIVERGED:
            raise UserError(f"{error}; run skipped") from None
        # A diverged run counts with fixed values: leaving it out for want of a curve would flatter its arm.
        steps = returns = np.empty(0)
        lines.append(f"{error}; the run diverged and counts as such")
    task = scored_task(flat_config["env.id"], flat_config["env.kwargs"], wrapper_paths(flat_config["env.wrappers"]))
    scores = score(task, returns)
    metrics = measure_training if training else measure
    typed = summary["overrides"] or flat_config["env.preset"] != "none"  # presets belong to the command line
    run = Run(
        folder=folder,
        task=task_name(flat_config["env.id"], flat_config["env.kwargs"], flat_config["env.wrappers"]),
        seed=int(summary["seed"]),
        config=flat_config,
        status=summary["status"],
        total_steps=end,
        unit=unit(task),
        steps=steps,
        scores=scores,
        rates=_rates(iterations),
        versions=dict(summary["versions"]),
        overrides=tuple(summary["overrides"]),
        source=OWN,
        notes=tuple(map(str, summary.get("notes", ()))),
        kind=TRAINING if training else EVALUATION,
        identity=_identity(flat_config, training),
        protocol={} if training else {key: flat_config[key] for key in ("total_steps", *PROTOCOL)},
        constant=all(flat_config[key] == "none" for key in CURVES),
        started_by=TRAIN_PY if typed else PYTHON,
        metrics=metrics(steps, scores, end, unit(task)),
    )
    return run, lines


def _iterations(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """COLUMNS of metrics.csv; if the table is damaged, empty columns and a line about that."""
    try:
        return columns(folder / layout.METRICS_CSV, COLUMNS), []
    except UserError as error:
        return dict.fromkeys(COLUMNS, np.empty(0)), [f"{error}; the run counts, its learning rates are not shown"]


def _rates(iterations: Mapping[str, np.ndarray]) -> dict[str, Points]:
    """The rate of each group over the env steps; {} without rows."""
    steps = iterations["env_steps"]
    return {group: (steps, iterations[f"lr/{group}"]) for group in GROUPS if len(steps)}


def _identity(flat_config: Mapping[str, Any], training: bool) -> dict[str, Any]:
    """The keys that separate arms. Where training returns are compared, the evaluations separate nothing."""
    identity = {"source": OWN} | arm_values(flat_config)
    if training:
        for key in PROTOCOL:
            identity.pop(key, None)
    return identity


def _evaluated(folder: Path, status: str, end: int) -> Points:
    """The evaluation curve. A finished run has an evaluation at its end; else rows are missing: UserError."""
    path = folder / layout.EVALUATIONS_CSV
    steps, returns = evaluation_returns(path)
    last = steps[-1] if len(steps) else 0
    if last > end or (status == layout.FINISHED and last < end):
        raise UserError(f"{path}: damaged (its last evaluation is at env step {last:.0f} of {end})")
    return steps, returns


def _trained(iterations: Mapping[str, np.ndarray], end: int) -> Points:
    """The curve of training returns."""
    steps = iterations["env_steps"]
    returns = iterations[RETURN_100]
    finite = np.isfinite(returns)  # NaN until the first episode ends
    return training_curve(steps[finite], returns[finite], end)


def _extensions(summary: Mapping[str, Any]) -> str:
    """How the run was made longer, as far as its schedule depends on it; "" if it was not. Part of its identity."""
    parts = []
    for entry in summary.get("resumed", ()):
        if "horizon" in entry:
            part = f"{entry['horizon']} from {entry['total_steps_before']}"
            # With `keep` the rates do not depend on the iteration at which the run was resumed.
            if entry["horizon"] != "keep":
                part += f" after iteration {entry['iteration']}"
            parts.append(part)
    return ", ".join(parts)
