"""What a reader of a comparison must know before believing it, one line each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rl_decay.compare.analysis import scoring
from rl_decay.compare.analysis.statistics import FEWEST_PAIRS
from rl_decay.compare.model import ENDPOINTS, Arm, Comparison, Contrast
from rl_decay.runs.layout import DIVERGED


def notes(comparison: Comparison) -> tuple[str, ...]:
    """All notes on a comparison whose other fields are filled."""
    arms = comparison.arms
    base = next(arm for arm in arms if arm.name == comparison.baseline)
    others = [arm for arm in arms if arm is not base]
    lines = [] if others else [f"{base.name} is the only arm: there is nothing to compare it with"]
    if comparison.unit == "return":
        lines.append(
            "curves are raw returns: the 0.005 in the effect on osc_late, meant for scores, is next to nothing"
        )
    for arm in arms:
        lines += [*_few_runs(arm, comparison.tasks), *_diverged(arm)]
    for arm in others:
        tests = [test for test in comparison.contrasts if test.arm == arm.name]
        lines += [*_few_pairs(tests, base), *_unpaired(arm, base), *_unpaired(base, arm), *_no_difference(tests, base)]
    return (*lines, *_undefined(comparison))


def _few_runs(arm: Arm, tasks: Sequence[str]) -> Iterator[str]:
    count = Counter(run.task for run in arm.runs)
    for task in tasks:
        where = f" on {task}" if len(tasks) > 1 else ""
        if count[task] == 0:
            yield f"{arm.name} has no run{where}"
        elif count[task] == 1:
            yield f"{arm.name} has one seed{where}: no interval"


def _diverged(arm: Arm) -> Iterator[str]:
    lost = [(run.task, run.seed) for run in arm.runs if run.status == DIVERGED]
    if lost:
        worst = "the worst value seen on the task"
        if arm.runs[0].unit == "score":
            known = {"final": 0, "osc_late": 0.5, "retention": 0, "collapse": 1}
            counted = [f"{name} {value}" for name, value in known.items() if name in arm.runs[0].metrics]
            worst = ", ".join([*counted, f"else {worst}"])
        yield f"{arm.name}: {len(lost)} of {len(arm.runs)} runs diverged ({_seeds(lost)}), counted with {worst}"


def _few_pairs(tests: Sequence[Contrast], base: Arm) -> Iterator[str]:
    endpoints: dict[int, list[str]] = {}
    for test in tests:
        endpoints.setdefault(test.pairs, []).append(test.endpoint)
    for pairs, names in endpoints.items():
        what = f"{tests[0].arm} has {pairs} pair{'s' * (pairs != 1)} with {base.name}"
        what += f" in {names[0]}" if len(endpoints) > 1 else ""
        if pairs == 0:
            yield f"{what}: no difference, no p"
        elif pairs < FEWEST_PAIRS:
            yield f"{what}: no p can fall below {2 / 2**pairs:g} (0.05 needs {FEWEST_PAIRS})"


def _unpaired(arm: Arm, other: Arm) -> Iterator[str]:
    mine, theirs = ({(run.task, run.seed) for run in of.runs} for of in (arm, other))
    if mine & theirs and mine - theirs:
        yield f"{_seeds(mine - theirs)} of {arm.name} without partner in {other.name}: not in the differences"


def _no_difference(tests: Sequence[Contrast], base: Arm) -> Iterator[str]:
    for test in tests:
        effect = test.effect
        if test.p == 1 and effect.value == effect.low == effect.high == 0:
            yield f"{test.arm} and {base.name} agree in {test.endpoint} in all {test.pairs} pairs"


def _undefined(comparison: Comparison) -> Iterator[str]:
    """Metrics that some runs lack; of those that no run has only the endpoints are worth a line."""
    for metric in scoring.metric_names(comparison.arms):
        missing = [(arm, count) for arm in comparison.arms if (count := _missing(arm, metric))]
        if sum(count for _, count in missing) == sum(len(arm.runs) for arm in comparison.arms):
            if metric in ENDPOINTS:
                yield f"{metric} is undefined in every run: no estimate, no test"
        elif missing:
            where = ", ".join(f"{count} of {len(arm.runs)} runs of {arm.name}" for arm, count in missing)
            yield f"{metric} is undefined in {where}: its numbers are those of the other runs"


def _missing(arm: Arm, metric: str) -> int:
    return sum(not math.isfinite(run.metrics.get(metric, math.nan)) for run in arm.runs)


def _seeds(runs: Iterable[tuple[str, int]]) -> str:
    """Runs by task and seed: "seeds 0, 3"; with several tasks "seeds 0 (Acrobot-v1), 3 (CartPole-v1)"."""
    runs = sorted(set(runs))
    several = len({task for task, _ in runs}) > 1
    named = ", ".join(f"{seed} ({task})" if several else f"{seed}" for task, seed in runs)
    return f"seed{'s' * (len(runs) > 1)} {named}"
