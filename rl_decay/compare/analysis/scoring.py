"""The value that each run counts in each metric: diverged runs the worst; values keyed by task and seed for pairing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl_decay.compare.model import ENDPOINTS, Arm, Run, all_runs
from rl_decay.compare.reading.measures import DIRECTIONS
from rl_decay.metrics.arrays import Floats
from rl_decay.runs.layout import DIVERGED

# In score: a policy of NaN is worth no more than a random one, and 0.5 is the standard deviation of a curve that does
# nothing but jump between a random policy and the reference.
DIVERGED_COUNTS = {"final": 0.0, "osc_late": 0.5, "last_iterate": 0.0, "retention": 0.0, "collapse": 1.0}

Key = tuple[str, int]  # task, seed


def with_counted_metrics(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """The arms with the metrics of every run as they are compared.

    unlearned   a run that never scored 0.8 has steps_to_0.8 = its whole budget, instead of dropping out
    diverged    score 0, osc_late 0.5, retention 0, collapse 1; in every other metric, and in all of them where curves
                are raw returns, the worst that any of these runs shows on its task. NaN in a metric without a good
                direction, and in one that no run which finished that task defines
    """
    arms = _change_runs(arms, _fill_unreached)
    worst = _worst_values(arms)
    return _change_runs(arms, lambda run: _fill_diverged(run, worst))


def metric_names(arms: Iterable[Arm]) -> tuple[str, ...]:
    """Every metric that some run has, the confirmatory ones first."""
    names = dict.fromkeys(ENDPOINTS)  # used as an ordered set
    for run in all_runs(arms):
        names |= dict.fromkeys(run.metrics)
    return tuple(names)


def values(arm: Arm, metric: str) -> dict[Key, float]:
    """The value of each run of an arm in a metric, by task and seed; runs in which it is undefined are missing."""
    defined = {}
    for run in sorted(arm.runs, key=lambda run: (run.task, run.seed)):
        value = run.metrics.get(metric, math.nan)
        if math.isfinite(value):
            defined[run.task, run.seed] = value
    return defined


def strata(by_key: Mapping[Key, float], tasks: Sequence[str] | None = None) -> list[Floats]:
    """The values of each task, in the order of `tasks` (default: all tasks that occur, by name): one array [n] each."""
    if tasks is None:
        tasks = sorted({task for task, _ in by_key})
    of_task: dict[str, list[float]] = {task: [] for task in tasks}
    for (task, _), value in by_key.items():
        if task in of_task:
            of_task[task].append(value)
    return [np.array(values) for values in of_task.values()]


def sign(metric: str) -> float:
    """1 where more is better, -1 where less is, NaN where neither."""
    return {"higher": 1.0, "lower": -1.0}.get(DIRECTIONS.get(metric, "none"), math.nan)


def _change_runs(arms: Iterable[Arm], change: Callable[[Run], Run]) -> tuple[Arm, ...]:
    return tuple(replace(arm, runs=tuple(map(change, arm.runs))) for arm in arms)


def _fill_unreached(run: Run) -> Run:
    """The run with its whole budget as steps_to_0.8 if it never scored 0.8."""
    if run.unit != "score" or not math.isnan(run.metrics.get("steps_to_0.8", 0.0)):
        return run
    return replace(run, metrics={**run.metrics, "steps_to_0.8": float(run.total_steps)})


def _fill_diverged(run: Run, worst: Mapping[tuple[str, str], float]) -> Run:
    """The run with the worst value of its task in every metric, if it diverged."""
    if run.status != DIVERGED:
        return run
    metrics = dict(run.metrics)
    for (task, metric), value in worst.items():
        if task == run.task:
            metrics[metric] = value
    return replace(run, metrics=metrics)


def _worst_values(arms: Sequence[Arm]) -> dict[tuple[str, str], float]:
    """The value that a diverged run counts, by task and metric."""
    runs_of_task: dict[str, list[Run]] = {}
    for run in all_runs(arms):
        runs_of_task.setdefault(run.task, []).append(run)
    worst = {}
    for task, runs in runs_of_task.items():
        metrics = set(DIVERGED_COUNTS) if runs[0].unit == "score" else set()
        for run in runs:
            metrics |= run.metrics.keys()
        for metric in metrics:
            worst[task, metric] = _worst_value(runs, metric)
    return worst


def _worst_value(runs: Sequence[Run], metric: str) -> float:
    """The value that a diverged run counts among these runs of one task."""
    finished = [run for run in runs if run.status != DIVERGED]
    # If no finished run has this metric (curves too short, say), leave it NaN for diverged runs too: the column would
    # do nothing but count divergence.
    if finished and not _finite(finished, metric):
        return math.nan
    if runs[0].unit == "score" and metric in DIVERGED_COUNTS:
        return DIVERGED_COUNTS[metric]
    better = sign(metric)
    return better * min((better * value for value in _finite(runs, metric)), default=math.nan)


def _finite(runs: Iterable[Run], metric: str) -> list[float]:
    numbers = [run.metrics.get(metric, math.nan) for run in runs]
    return [number for number in numbers if math.isfinite(number)]
