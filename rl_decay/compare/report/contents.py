"""The blocks of the report in their order: verdict, tests, figures, and everything needed to judge them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rl_decay.compare.analysis.alignment import baseline_first, in_returns
from rl_decay.compare.model import Arm, Comparison, Contrast, Estimate, all_runs
from rl_decay.compare.reading.measures import DIRECTIONS
from rl_decay.compare.report import explained
from rl_decay.compare.report.document import Block, Code, Figure, Heading, Items, Paragraph, Table
from rl_decay.compare.report.wording import difference, interval, number, p_value, smallest, verdict
from rl_decay.config.arm_names import text
from rl_decay.metrics.tasks import constants
from rl_decay.runs.layout import DIVERGED

UNDEFINED = Estimate(math.nan, math.nan, math.nan)


def title(comparison: Comparison) -> str:
    """The headline: what is compared where, and how many arms and runs."""
    arms = _count(len(comparison.arms), "arm")
    runs = _count(len(all_runs(comparison.arms)), "run")
    return f"Learning-rate schedules on {', '.join(comparison.tasks)}: {arms}, {runs}"


def blocks(comparison: Comparison, figures: Mapping[str, bytes], install: str | None) -> list[Block]:
    """The whole report below its headline; `install` is the command that brings the figures, if there are none."""
    return [
        *_verdicts(comparison),
        *_verdict_tables(comparison),
        *_figures(figures, install),
        *_exploratory(comparison),
        *_across(comparison),
        *_differences(comparison),
        *_left_out(comparison),
        Heading("How to read this"),
        Items(explained.terms(comparison)),
        *_origin(comparison),
    ]


def _verdicts(comparison: Comparison) -> Iterator[Block]:
    """One sentence per arm; the baseline, which has nothing to be compared with, comes last."""
    baseline, *others = baseline_first(comparison)
    sentences = [(arm.name, verdict(comparison, arm.name)) for arm in (*others, baseline)]
    yield Items(tuple(sentences))


def _verdict_tables(comparison: Comparison) -> Iterator[Block]:
    yield Heading("Verdict")
    yield Paragraph(f"Interquartile mean [95% interval] over the runs of each arm. {_meaning_of_final(comparison)}")
    yield _levels(comparison)
    if comparison.contrasts:
        yield Paragraph(f"Difference from {comparison.baseline}, paired by seed.")
        yield _tests(comparison)


def _meaning_of_final(comparison: Comparison) -> str:
    anchors = constants(comparison.tasks[0])
    if comparison.unit == "return":
        return "Returns are rewards per episode."
    if len(comparison.tasks) > 1 or anchors is None:
        return "Score 0 is a random policy, score 1 the reference of the task."
    return f"Score 0 is a return of {anchors.random:g}, a random policy; score 1 is {anchors.reference:g}."


def _levels(comparison: Comparison) -> Table:
    """The level of every arm. Scores of a single task are shown as returns too: people know these by heart."""
    with_returns = comparison.unit == "score" and len(comparison.tasks) == 1
    head = ["arm", "runs", f"final {comparison.unit}", "late oscillation", "retention"]
    if with_returns:
        head.insert(2, "final return")
    rows = []
    for arm in baseline_first(comparison):
        estimates = comparison.estimates[arm.name]
        shown = [estimates.get(metric, UNDEFINED) for metric in ("final", "osc_late", "retention")]
        if with_returns:
            shown.insert(0, _as_returns(shown[0], comparison))
        rows.append((_mark(arm, comparison), _runs(arm), *map(interval, shown)))
    return Table(tuple(head), tuple(rows))


def _as_returns(final: Estimate, comparison: Comparison) -> Estimate:
    task = comparison.tasks[0]
    bounds = [in_returns(comparison, task, x) for x in (final.value, final.low, final.high)]
    return Estimate(*bounds)


def _tests(comparison: Comparison) -> Table:
    names = {
        "osc_late": "late oscillation",
        "final": f"final {comparison.unit}",
        "retention": "retention (exploratory)",
    }
    retention = [test for test in comparison.exploratory if test.endpoint == "retention"]
    head = ("arm", "of", "difference [95% interval]", "p after Holm", "P(better)", "pairs", "could have found")
    rows = []
    for arm in baseline_first(comparison)[1:]:
        tests = [test for test in (*comparison.contrasts, *retention) if test.arm == arm.name]
        rows += [(arm.name, names[test.endpoint], *_test_cells(test)) for test in tests]
    return Table(head, tuple(rows))


def _test_cells(test: Contrast) -> tuple[str, ...]:
    p = p_value(test.p_holm)
    # Retention is not in Holm's family: its p must not pass for a corrected one.
    if math.isnan(test.p_holm) and not math.isnan(test.p):
        p = f"{p_value(test.p)} uncorrected"
    better = interval(test.improvement)
    return difference(test), p, better, str(test.pairs), smallest(test)


def _mark(arm: Arm, comparison: Comparison) -> str:
    return f"{arm.name} (baseline)" if arm.name == comparison.baseline else arm.name


def _runs(arm: Arm) -> str:
    diverged = sum(run.status == DIVERGED for run in arm.runs)
    return f"{len(arm.runs)} ({diverged} diverged)" if diverged else str(len(arm.runs))


def _figures(figures: Mapping[str, bytes], install: str | None) -> Iterator[Block]:
    yield Heading("Figures")
    for name, png in figures.items():
        yield Figure(name, png, explained.CAPTIONS[name])
    if install is not None:
        yield Paragraph("They need matplotlib:")
        yield Code((install,))


def _exploratory(comparison: Comparison) -> Iterator[Block]:
    """The metrics of explained.EXPLORED in rows, arms in columns: the level of the baseline, the others' differences.

    All metrics would be 25 rows per arm, in which a reader finds whatever he looks for.
    """
    base, *others = baseline_first(comparison)
    tests = {(test.endpoint, test.arm): test for test in comparison.exploratory}
    rows = []
    for metric, meaning in explained.EXPLORED.items():
        if others and comparison.is_measured(metric):
            better = DIRECTIONS[metric].replace("none", "-")
            level = interval(comparison.estimates[base.name].get(metric, UNDEFINED))
            differences = [_explored(tests.get((metric, arm.name))) for arm in others]
            rows.append((metric, meaning, better, level, *differences))
    if rows:
        yield Heading("Exploratory: other metrics")
        yield Paragraph(explained.EXPLORATORY)
        arms = [_mark(base, comparison), *(arm.name for arm in others)]
        yield Table(("metric", "it says", "better", *arms), tuple(rows))


def _explored(test: Contrast | None) -> str:
    return "-" if test is None or math.isnan(test.effect.value) else f"{difference(test)}, p {p_value(test.p)}"


def _across(comparison: Comparison) -> Iterator[Block]:
    rows = []
    for arm in baseline_first(comparison):
        values = comparison.across[arm.name].values()
        if not all(map(math.isnan, values)):  # a single run has no spread
            rows.append((_mark(arm, comparison), *map(number, values)))
    if rows:
        yield Paragraph(explained.ACROSS)
        yield Table(("arm", "dispersion across runs", "risk across runs"), tuple(rows))


def _differences(comparison: Comparison) -> Iterator[Block]:
    yield Heading("How the arms' configurations differ")
    arms = baseline_first(comparison)
    rows = []
    for key, values in comparison.differences.items():
        of_arms = [values[arm.name] for arm in arms]
        rows.append((key, *map(_setting, of_arms)))
    if rows:
        yield Table(("key", *(_mark(arm, comparison) for arm in arms)), tuple(rows))
    else:
        yield Paragraph("In nothing.")


def _setting(value: Any) -> str:
    return "-" if value is None else text(value)


def _left_out(comparison: Comparison) -> Iterator[Block]:
    yield Heading("Runs that are not compared")
    if comparison.unfinished:
        rows = [(str(run.folder), run.status, f"{run.progress:.0%}", run.reason) for run in comparison.unfinished]
        yield Table(("folder", "status", "progress", "reason"), tuple(rows))
    if comparison.skipped:
        yield Items(tuple(("skipped", line) for line in comparison.skipped))
    if not comparison.unfinished and not comparison.skipped:
        yield Paragraph("None.")
    if comparison.notes:
        yield Heading("Notes")
        yield Items(tuple(("", line) for line in comparison.notes))


def _origin(comparison: Comparison) -> Iterator[Block]:
    yield Heading("Commands")
    yield Code(comparison.commands or ("(not recorded)",))
    yield Heading("Versions")
    listed = [f"{name} {version}" for name, version in comparison.versions.items()]
    yield Paragraph(", ".join(listed) or "Not recorded.")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
