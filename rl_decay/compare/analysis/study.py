"""Arms -> the comparison: every number that the report prints.

Each interval and p-value starts its own Generator from the same seed, so none of them changes when another arm or
metric joins. Two things do, since arms share them: Holm's correction, and the worst value that a diverged run counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rl_decay.compare.analysis import paired_tests, scoring, statistics
from rl_decay.compare.analysis.alignment import align
from rl_decay.compare.analysis.notes import notes
from rl_decay.compare.model import ENDPOINTS, TRAINING, Arm, Comparison, Contrast, Estimate, Run, all_runs
from rl_decay.errors import UserError
from rl_decay.metrics import dispersion_across_runs, late_window, risk_across_runs
from rl_decay.metrics.arrays import Floats
from rl_decay.metrics.late import LATE_SHARE

SEED = 0  # of every resampling


def compare(arms: Sequence[Arm], baseline: str) -> Comparison:
    """Compare arms with the one whose name is `baseline`.

    `arms` of the result hold the metrics of each run as they were counted (scoring.with_counted_metrics).
    Errors: UserError for runs in different units.
    """
    unit = _common_unit(arms)
    # Count before anything is estimated: a diverged run enters every number with its worst values.
    arms = scoring.with_counted_metrics(arms)
    confirmatory, exploratory = _contrasts(arms, baseline)
    comparison = Comparison(
        tasks=_tasks(arms),
        unit=unit,
        arms=arms,
        baseline=baseline,
        estimates=_estimates(arms),
        contrasts=confirmatory,
        exploratory=exploratory,
        differences=_differences(arms),
        curves={arm.name: curve(arm) for arm in arms},
        across={arm.name: across_runs(arm) for arm in arms},
    )
    return replace(comparison, notes=notes(comparison))


def across_runs(arm: Arm) -> dict[str, float]:
    """How much the runs of an arm differ from each other, as Chan et al. 2020 measure it; means over tasks.

        dispersion_across_runs   interquartile range over the runs, mean over the late window
        risk_across_runs         mean of the worst 5 % of the runs (a fractional tail), of final

    NaN with fewer than two runs on a task, and where training returns are compared (dispersion).
    """
    dispersions, risks = [], []
    for task in _tasks([arm]):
        runs = [run for run in arm.runs if run.task == task]
        dispersions.append(_late_dispersion(runs))
        risks.append(_risk(runs))
    return {"dispersion_across_runs": float(np.mean(dispersions)), "risk_across_runs": float(np.mean(risks))}


def contrast(arm: Arm, base: Arm, metric: str) -> Contrast:
    """One arm against the baseline on one metric, by the pairs of runs of equal task and seed that both define it."""
    own = scoring.values(arm, metric)
    theirs = scoring.values(base, metric)
    paired = [key for key in own if key in theirs]
    a = scoring.strata({key: own[key] for key in paired})
    b = scoring.strata({key: theirs[key] for key in paired})
    difference = statistics.osc_effect if metric == "osc_late" else np.subtract
    differences = list(map(difference, a, b))
    pooled = np.concatenate([np.empty(0), *differences])  # NumPy refuses to concatenate nothing
    # Differences from 0 are levels on the scale on which the arms are compared, which is logarithmic for osc_late.
    a_levels = [difference(x, 0.0) for x in a]
    b_levels = [difference(y, 0.0) for y in b]
    return Contrast(
        arm=arm.name,
        endpoint=metric,
        pairs=len(pooled),
        effect=_typical(differences, metric),
        p=float(paired_tests.sign_flip_p(pooled, _rng())),
        p_holm=np.nan,
        improvement=_improvement(own, theirs, scoring.sign(metric)),
        detectable=float(paired_tests.detectable_effect(pooled)),
        correlation=statistics.correlation(a_levels, b_levels),
    )


def curve(arm: Arm) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean score of an arm on a common grid of env steps, with its interval: steps, mean, low, high, each [K]."""
    steps, scores = align(arm.runs)
    tasks = np.array([run.task for run in arm.runs])
    by_task = [scores[tasks == task] for task in np.unique(tasks)]
    return steps, *statistics.mean_interval(by_task, _rng())


def _tasks(arms: Sequence[Arm]) -> tuple[str, ...]:
    return tuple(sorted({run.task for run in all_runs(arms)}))


def _common_unit(arms: Sequence[Arm]) -> str:
    """The unit of all runs' scores; UserError if some are scores and others returns."""
    unit_of = {run.task: run.unit for run in all_runs(arms)}
    if len(set(unit_of.values())) > 1:
        listed = ", ".join(f"{task} in {unit}s" for task, unit in sorted(unit_of.items()))
        raise UserError(f"unit: {listed} cannot be averaged; compare tasks with scores apart from those without")
    return arms[0].runs[0].unit


def _estimates(arms: Sequence[Arm]) -> dict[str, dict[str, Estimate]]:
    """The typical value of every metric over the runs of each arm in which it is defined, tasks as strata."""
    names = scoring.metric_names(arms)
    estimates: dict[str, dict[str, Estimate]] = {arm.name: {} for arm in arms}
    for arm in arms:
        for metric in names:
            strata = scoring.strata(scoring.values(arm, metric))
            estimates[arm.name][metric] = _typical(strata, metric)
    return estimates


def _differences(arms: Sequence[Arm]) -> dict[str, dict[str, Any]]:
    """{key: {arm: value}} for the keys in which the arms differ; None for an arm that lacks the key."""
    keys: dict[str, None] = {}  # used as an ordered set
    for arm in arms:
        keys |= dict.fromkeys(arm.values)
    differences = {}
    for key in keys:
        differences[key] = {arm.name: arm.values.get(key) for arm in arms}
    return differences


def _late_dispersion(runs: Sequence[Run]) -> float:
    # Training returns are means over many updates: their spread over the runs is not that of the policies.
    if len(runs) < 2 or any(run.kind == TRAINING for run in runs):
        return math.nan
    steps, scores = align(runs)
    late = late_window(steps, LATE_SHARE, runs[0].total_steps)
    if not late.any():
        return math.nan
    return float(dispersion_across_runs(scores[:, late].T).mean())  # runs on the last axis


def _risk(runs: Sequence[Run]) -> float:
    finals = [run.metrics["final"] for run in runs]
    return float(risk_across_runs(finals)) if len(runs) > 1 else math.nan


def _contrasts(arms: Sequence[Arm], baseline: str) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """Confirmatory contrasts, corrected as one family, and all others."""
    base = next(arm for arm in arms if arm.name == baseline)
    exploratory_metrics = [name for name in scoring.metric_names(arms) if name not in ENDPOINTS]
    family: list[Contrast] = []
    exploratory: list[Contrast] = []
    for arm in arms:
        if arm is not base:
            family += [contrast(arm, base, endpoint) for endpoint in ENDPOINTS]
            exploratory += [contrast(arm, base, metric) for metric in exploratory_metrics]
    # One family over all arms and endpoints: whoever tests more arms pays for it.
    adjusted = paired_tests.holm([test.p for test in family])
    confirmatory = [replace(test, p_holm=float(p)) for test, p in zip(family, adjusted)]
    return tuple(confirmatory), tuple(exploratory)


def _typical(strata: Sequence[Floats], metric: str) -> Estimate:
    """Interquartile mean with its interval; of `collapse`, which is 0 or 1, the plain mean: the share of the runs."""
    if metric != "collapse" or not strata:
        return statistics.iqm_interval(strata, _rng())
    curves_of_one_point = [values[:, None] for values in strata]
    value, low, high = statistics.mean_interval(curves_of_one_point, _rng())
    return Estimate(float(value[0]), float(low[0]), float(high[0]))


def _improvement(own: Mapping[scoring.Key, float], theirs: Mapping[scoring.Key, float], sign: float) -> Estimate:
    """Probability that the arm is the better one, over the tasks that both have; every run counts, partner or not."""
    tasks = sorted({task for task, _ in own} & {task for task, _ in theirs})
    x = [sign * values for values in scoring.strata(own, tasks)]
    y = [sign * values for values in scoring.strata(theirs, tasks)]
    return statistics.improvement_interval(x, y, _rng())


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
