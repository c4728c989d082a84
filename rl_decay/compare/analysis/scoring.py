"""What each run counts: diverged runs with the worst, pairs by task and seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl_decay.compare.model import ENDPOINTS, Arm, Run
from rl_decay.compare.reading.measures import DIRECTIONS
from rl_decay.metrics.arrays import Floats
from rl_decay.runs.layout import DIVERGED

# In score: a policy of NaN is worth no more than a random one, and 0.5 is the standard deviation of a curve that does
# nothing but jump between a random policy and the reference.
DIVERGED_COUNTS = {"final": 0.0, "osc_late": 0.5, "last_iterate": 0.0, "retention": 0.0, "collapse": 1.0}

Key = tuple[str, int]  # task, seed


def counted(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """The arms with the metrics of every run as they are compared.

    unlearned   a run that never scored 0.8 has steps_to_0.8 = its whole budget, instead of dropping out
    diverged    score 0, osc_late 0.5, retention 0, collapse 1; in every other metric, and in all of them where curves
                are raw returns, the worst that any of these runs shows on its task. NaN in a metric without a good
                direction, and in one that no run which finished that task defines
    """
    arms = tuple(_each(arms, _known))
    worst = _worst([run for arm in arms for run in arm.runs])
    return tuple(_each(arms, lambda run: _diverged(run, worst)))


def metric_names(arms: Iterable[Arm]) -> tuple[str, ...]:
    """Every metric that some run has, the confirmatory ones first."""
    found = {name: None for arm in arms for run in arm.runs for name in run.metrics}
    return (*ENDPOINTS, *(name for name in found if name not in ENDPOINTS))


def values(arm: Arm, metric: str) -> dict[Key, float]:
    """What the runs of an arm count in a metric, by task and seed; runs in which it is undefined are missing."""
    known = {(run.task, run.seed): run.metrics.get(metric, math.nan) for run in arm.runs}
    return {key: value for key, value in sorted(known.items()) if math.isfinite(value)}


def strata(by_key: Mapping[Key, float], tasks: Sequence[str] | None = None) -> list[Floats]:
    """The values of each task, in the order of `tasks` (default: those that occur, by name): one array [n] per task."""
    tasks = sorted({task for task, _ in by_key}) if tasks is None else tasks
    return [np.array([value for key, value in by_key.items() if key[0] == task]) for task in tasks]


def sign(metric: str) -> float:
    """1 where more is better, -1 where less is, NaN where neither."""
    return {"higher": 1.0, "lower": -1.0}.get(DIRECTIONS.get(metric, "none"), math.nan)


def _each(arms: Iterable[Arm], change: Callable[[Run], Run]) -> Iterator[Arm]:
    return (replace(arm, runs=tuple(change(run) for run in arm.runs)) for arm in arms)


def _known(run: Run) -> Run:
    metrics = dict(run.metrics)
    if run.unit == "score" and math.isnan(metrics.get("steps_to_0.8", 0.0)):
        metrics["steps_to_0.8"] = float(run.total_steps)
    return replace(run, metrics=metrics)


def _diverged(run: Run, worst: Mapping[tuple[str, str], float]) -> Run:
    if run.status != DIVERGED:
        return run
    return replace(run, metrics={**run.metrics, **{name: x for (task, name), x in worst.items() if task == run.task}})


def _worst(runs: Sequence[Run]) -> dict[tuple[str, str], float]:
    """What a diverged run counts in each metric of each task."""
    counts = {}
    for task in {run.task for run in runs}:
        here = [run for run in runs if run.task == task]
        finished = [run for run in here if run.status != DIVERGED]
        fixed = DIVERGED_COUNTS if here[0].unit == "score" else {}
        for name in {*fixed, *(name for run in here for name in run.metrics)}:
            seen = _finite(here, name)
            # One number among runs without any (curves too short, say) would be a metric of nothing but divergence.
            if finished and not _finite(finished, name):
                counts[task, name] = math.nan
            elif name in fixed:
                counts[task, name] = fixed[name]
            else:
                counts[task, name] = sign(name) * min((sign(name) * value for value in seen), default=math.nan)
    return counts


def _finite(runs: Iterable[Run], metric: str) -> list[float]:
    return [value for run in runs if math.isfinite(value := run.metrics.get(metric, math.nan))]
