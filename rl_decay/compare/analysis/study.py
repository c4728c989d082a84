"""Arms -> the comparison: every number that the report prints.

Each interval and p-value starts its own Generator from the same seed, so none of them changes when another arm or
metric joins. Two things do, since arms share them: Holm's correction, and the worst value that a diverged run counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl_decay.compare.analysis import scoring, statistics
from rl_decay.compare.analysis.alignment import align
from rl_decay.compare.analysis.arms import baseline as choose_baseline
from rl_decay.compare.analysis.notes import notes
from rl_decay.compare.model import ENDPOINTS, TRAINING, Arm, Comparison, Contrast, Estimate, Run, Unfinished
from rl_decay.errors import UserError
from rl_decay.metrics import dispersion_across_runs, late_window, risk_across_runs
from rl_decay.metrics.arrays import Floats
from rl_decay.metrics.late import LATE_SHARE

SEED = 0  # of every resampling


def compare(
    arms: Sequence[Arm],
    *,
    baseline: str | None = None,
    unfinished: Sequence[Unfinished] = (),
    skipped: Sequence[str] = (),
    commands: Sequence[str] = (),
    versions: Mapping[str, str] | None = None,
) -> Comparison:
    """Compare arms with a baseline, the one of that name or the one that arms.baseline chooses.

    `arms` of the result hold the metrics of each run as they were counted (scoring.counted).
    Errors: UserError without runs, for an unknown baseline, and for runs in different units.
    """
    chosen = choose_baseline(arms, baseline)
    unit = _unit(arms)
    arms = scoring.counted(arms)
    confirmatory, exploratory = _contrasts(arms, chosen)
    comparison = Comparison(
        tasks=tuple(sorted({run.task for arm in arms for run in arm.runs})),
        unit=unit,
        arms=arms,
        baseline=chosen,
        estimates={arm.name: {name: estimate(arm, name) for name in scoring.metric_names(arms)} for arm in arms},
        contrasts=confirmatory,
        exploratory=exploratory,
        unfinished=tuple(unfinished),
        skipped=tuple(skipped),
        notes=(),
        differences={key: {arm.name: arm.values.get(key) for arm in arms} for arm in arms for key in arm.values},
        commands=tuple(commands),
        versions=dict(versions or {}),
        curves={arm.name: curve(arm) for arm in arms},
        across={arm.name: across_runs(arm) for arm in arms},
    )
    return replace(comparison, notes=notes(comparison))


def estimate(arm: Arm, metric: str) -> Estimate:
    """The typical value of a metric over the runs of an arm in which it is defined, tasks as strata."""
    return _typical(scoring.strata(scoring.values(arm, metric)), metric)


def across_runs(arm: Arm) -> dict[str, float]:
    """How much the runs of an arm differ from each other, as Chan et al. 2020 measure it; means over tasks.

        dispersion_across_runs   interquartile range over the runs, mean over the late window
        risk_across_runs         mean of the worst 5 % of the runs (a fractional tail), of final

    NaN with fewer than two runs on a task, and where training returns are compared (dispersion).
    """
    of_tasks = [tuple(run for run in arm.runs if run.task == task) for task in sorted({run.task for run in arm.runs})]
    found = [(_late_dispersion(runs), _risk(runs)) for runs in of_tasks]
    names = ("dispersion_across_runs", "risk_across_runs")
    return {name: float(np.mean(values)) for name, values in zip(names, zip(*found))}


def _late_dispersion(runs: Sequence[Run]) -> float:
    if len(runs) < 2 or any(run.kind == TRAINING for run in runs):
        return math.nan
    steps, scores = align(runs)
    late = late_window(steps, LATE_SHARE, runs[0].total_steps)
    return float(dispersion_across_runs(scores[:, late].T).mean()) if late.any() else math.nan


def _risk(runs: Sequence[Run]) -> float:
    return float(risk_across_runs([run.metrics["final"] for run in runs])) if len(runs) > 1 else math.nan


def contrast(arm: Arm, base: Arm, metric: str) -> Contrast:
    """One arm against the baseline on one metric, by the pairs of runs of equal task and seed that both define it."""
    a, b = scoring.values(arm, metric), scoring.values(base, metric)
    of_arm, of_base = (scoring.strata({key: of[key] for key in a if key in b}) for of in (a, b))
    difference = statistics.osc_effect if metric == "osc_late" else np.subtract
    d = [difference(x, y) for x, y in zip(of_arm, of_base)]
    pooled = np.concatenate([np.empty(0), *d])
    return Contrast(
        arm=arm.name,
        endpoint=metric,
        pairs=len(pooled),
        effect=_typical(d, metric),
        p=float(statistics.sign_flip_p(pooled, _rng())),
        p_holm=np.nan,
        improvement=_improvement(a, b, scoring.sign(metric)),
        detectable=float(statistics.detectable_effect(pooled)),
        correlation=statistics.correlation(*([difference(x, 0.0) for x in of] for of in (of_arm, of_base))),
    )


def curve(arm: Arm) -> tuple[Floats, Floats, Floats, Floats]:
    """Mean score of an arm on a common grid of env steps, with its interval: steps, mean, low, high, each [K]."""
    steps, scores = align(arm.runs)
    tasks = np.array([run.task for run in arm.runs])
    return steps, *statistics.mean_interval([scores[tasks == task] for task in np.unique(tasks)], _rng())


def _contrasts(arms: Sequence[Arm], baseline: str) -> tuple[tuple[Contrast, ...], tuple[Contrast, ...]]:
    """Confirmatory contrasts, corrected as one family, and all others."""
    base = next(arm for arm in arms if arm.name == baseline)
    others = [arm for arm in arms if arm is not base]
    family = [contrast(arm, base, endpoint) for arm in others for endpoint in ENDPOINTS]
    adjusted = statistics.holm([test.p for test in family])
    rest = [name for name in scoring.metric_names(arms) if name not in ENDPOINTS]
    exploratory = tuple(contrast(arm, base, name) for arm in others for name in rest)
    return tuple(replace(test, p_holm=float(p)) for test, p in zip(family, adjusted)), exploratory


def _typical(strata: Sequence[Floats], metric: str) -> Estimate:
    """Interquartile mean with its interval; of `collapse`, which is 0 or 1, the plain mean: the share of the runs."""
    if metric != "collapse" or not strata:
        return statistics.iqm_interval(strata, _rng())
    return Estimate(*(float(x[0]) for x in statistics.mean_interval([values[:, None] for values in strata], _rng())))


def _improvement(a: Mapping[scoring.Key, float], b: Mapping[scoring.Key, float], sign: float) -> Estimate:
    """Probability that the arm is the better one, over the tasks that both have; every run counts, partner or not."""
    tasks = sorted({task for task, _ in a} & {task for task, _ in b})
    x, y = ([sign * values for values in scoring.strata(of, tasks)] for of in (a, b))
    return statistics.improvement_interval(x, y, _rng())


def _unit(arms: Sequence[Arm]) -> str:
    found = sorted({(run.task, run.unit) for arm in arms for run in arm.runs})
    if len({unit for _, unit in found}) > 1:
        listed = ", ".join(f"{task} in {unit}s" for task, unit in found)
        raise UserError(f"unit: {listed} cannot be averaged; compare tasks with scores apart from those without")
    return found[0][1]


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)
