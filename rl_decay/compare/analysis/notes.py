"""Warnings about a comparison, one line each: what to know before believing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rl_decay.compare.analysis import scoring
from rl_decay.compare.analysis.paired_tests import FEWEST_PAIRS
from rl_decay.compare.model import ENDPOINTS, Arm, Comparison, Contrast, all_runs
from rl_decay.runs.layout import DIVERGED

FIXED_SHOWN = ("final", "osc_late", "retention", "collapse")  # whose value for diverged runs a note spells out


def notes(comparison: Comparison) -> tuple[str, ...]:
    """All notes on a comparison whose other fields are filled."""
    arms = comparison.arms
    base = next(arm for arm in arms if arm.name == comparison.baseline)
    others = [arm for arm in arms if arm is not base]
    lines = []
    if not others:
        lines.append(f"{base.name} is the only arm: there is nothing to compare it with")
    if comparison.unit == "return":
        lines.append(
            "curves are raw returns: the 0.005 in the effect on osc_late, meant for scores, is next to nothing"
        )
    for arm in arms:
        lines += _few_runs(arm, comparison.tasks)
        lines += _diverged_runs(arm)
    for arm in others:
        tests = [test for test in comparison.contrasts if test.arm == arm.name]
        lines += _few_pairs(tests, base)
        lines += _unpaired(arm, base)
        lines += _unpaired(base, arm)
        lines += _no_difference(tests, base)
    lines += _undefined(comparison)
    return tuple(lines)


def _few_runs(arm: Arm, tasks: Sequence[str]) -> Iterator[str]:
    count = Counter(run.task for run in arm.runs)
    for task in tasks:
        where = f" on {task}" if len(tasks) > 1 else ""
        if count[task] == 0:
            yield f"{arm.name} has no run{where}"
        elif count[task] == 1:
            yield f"{arm.name} has one seed{where}: no interval"


def _diverged_runs(arm: Arm) -> Iterator[str]:
    diverged = [(run.task, run.seed) for run in arm.runs if run.status == DIVERGED]
    if not diverged:
        return
    counted = "the worst value seen on the task"
    if arm.runs[0].unit == "score":
        names = [name for name in FIXED_SHOWN if name in arm.runs[0].metrics]
        parts = [f"{name} {scoring.DIVERGED_COUNTS[name]:g}" for name in names]
        counted = ", ".join([*parts, f"else {counted}"])
    yield f"{arm.name}: {len(diverged)} of {len(arm.runs)} runs diverged ({_seeds(diverged)}), counted with {counted}"


def _few_pairs(tests: Sequence[Contrast], base: Arm) -> Iterator[str]:
    """One line per number of pairs: the endpoints have different numbers where runs lack one of them."""
    endpoints: dict[int, list[str]] = {}
    for test in tests:
        endpoints.setdefault(test.pairs, []).append(test.endpoint)
    for pairs, names in endpoints.items():
        what = f"{tests[0].arm} has {pairs} pair{'s' * (pairs != 1)} with {base.name}"
        if len(endpoints) > 1:
            what += f" in {names[0]}"
        if pairs == 0:
            yield f"{what}: no difference, no p"
        elif pairs < FEWEST_PAIRS:
            yield f"{what}: no p can fall below {2 / 2**pairs:g} (0.05 needs {FEWEST_PAIRS})"


def _unpaired(arm: Arm, other: Arm) -> Iterator[str]:
    """The runs of an arm without partner; nothing if no run has one, which `_few_pairs` says in fewer words."""
    own = {(run.task, run.seed) for run in arm.runs}
    theirs = {(run.task, run.seed) for run in other.runs}
    if own & theirs and own - theirs:
        yield f"{_seeds(own - theirs)} of {arm.name} without partner in {other.name}: not in the differences"


def _no_difference(tests: Sequence[Contrast], base: Arm) -> Iterator[str]:
    for test in tests:
        effect = test.effect
        if test.p == 1 and effect.value == effect.low == effect.high == 0:
            yield f"{test.arm} and {base.name} agree in {test.endpoint} in all {test.pairs} pairs"


def _undefined(comparison: Comparison) -> Iterator[str]:
    """Metrics that some runs lack. If all runs lack one, only an endpoint is worth a line."""
    total = len(all_runs(comparison.arms))
    for metric in scoring.metric_names(comparison.arms):
        parts = []
        lacking = 0
        for arm in comparison.arms:
            undefined = len(arm.runs) - len(scoring.values(arm, metric))
            lacking += undefined
            if undefined:
                parts.append(f"{undefined} of {len(arm.runs)} runs of {arm.name}")
        if lacking < total and parts:
            yield f"{metric} is undefined in {', '.join(parts)}: its numbers are those of the other runs"
        elif lacking == total and metric in ENDPOINTS:
            yield f"{metric} is undefined in every run: no estimate, no test"


def _seeds(runs: Iterable[tuple[str, int]]) -> str:
    """Runs by task and seed: "seeds 0, 3"; with several tasks "seeds 0 (Acrobot-v1), 3 (CartPole-v1)"."""
    runs = sorted(set(runs))
    several_tasks = len({task for task, _ in runs}) > 1
    named = [f"{seed} ({task})" if several_tasks else f"{seed}" for task, seed in runs]
    return f"seed{'s' * (len(runs) > 1)} {', '.join(named)}"
