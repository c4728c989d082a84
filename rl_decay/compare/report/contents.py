"""What the report says, in its order: verdict, tests, figures, and all that a reader must know to judge them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rl_decay.compare.analysis.alignment import baseline_first, in_returns
from rl_decay.compare.model import Arm, Comparison, Contrast, Estimate
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
    counts = f"{_count(len(comparison.arms), 'arm')}, {_count(sum(len(arm.runs) for arm in comparison.arms), 'run')}"
    return f"Learning-rate schedules on {', '.join(comparison.tasks)}: {counts}"


def blocks(comparison: Comparison, figures: Mapping[str, bytes], install: str | None) -> list[Block]:
    """The whole report below its headline; `install` is the command that brings the figures, where there are none."""
    return [
        Items(tuple((arm.name, verdict(comparison, arm.name)) for arm in _others_first(comparison))),
        *_verdict_tables(comparison),
        Heading("Figures"),
        *(Figure(name, png, explained.CAPTIONS[name]) for name, png in figures.items()),
        *([Paragraph("They need matplotlib:"), Code((install,))] if install else []),
        *_exploratory(comparison),
        *_across(comparison),
        *_differences(comparison),
        *_left_out(comparison),
        Heading("How to read this"),
        Items(explained.terms(comparison)),
        *_origin(comparison),
    ]


def _others_first(comparison: Comparison) -> tuple[Arm, ...]:
    first, *others = baseline_first(comparison)
    return (*others, first)


def _verdict_tables(comparison: Comparison) -> list[Block]:
    shown: list[Block] = [
        Heading("Verdict"),
        Paragraph(f"Interquartile mean [95% interval] over the runs of each arm. {_what_final_is(comparison)}"),
        Table(*_levels(comparison)),
    ]
    if comparison.contrasts:
        shown += [Paragraph(f"Difference from {comparison.baseline}, paired by seed."), Table(*_tests(comparison))]
    return shown


def _what_final_is(comparison: Comparison) -> str:
    known = constants(comparison.tasks[0])
    if comparison.unit == "return":
        return "Returns are rewards per episode."
    if len(comparison.tasks) > 1 or known is None:
        return "Score 0 is a random policy, score 1 the reference of the task."
    return f"Score 0 is a return of {known.random:g}, a random policy; score 1 is {known.reference:g}."


def _levels(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    task, returns = comparison.tasks[0], comparison.unit == "score" and len(comparison.tasks) == 1
    head = ("arm", "runs", *(["final return"] if returns else []), f"final {comparison.unit}")
    rows = []
    for arm in baseline_first(comparison):
        of = comparison.estimates[arm.name]
        final, osc, kept = (of.get(metric, UNDEFINED) for metric in ("final", "osc_late", "retention"))
        bounds = (final.value, final.low, final.high)
        scaled = [Estimate(*(in_returns(comparison, task, x) for x in bounds))] if returns else []
        rows.append((_mark(arm, comparison), _runs(arm), *map(interval, (*scaled, final, osc, kept))))
    return (*head, "late oscillation", "retention"), tuple(rows)


def _tests(comparison: Comparison) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    names = {
        "osc_late": "late oscillation",
        "final": f"final {comparison.unit}",
        "retention": "retention (exploratory)",
    }
    tests = [*comparison.contrasts, *(test for test in comparison.exploratory if test.endpoint == "retention")]
    head = ("arm", "of", "difference [95% interval]", "p after Holm", "P(better)", "pairs", "could have found")
    rows = []
    for arm in baseline_first(comparison)[1:]:
        for test in (test for test in tests if test.arm == arm.name):
            p = p_value(test.p_holm)
            if math.isnan(test.p_holm) and not math.isnan(test.p):
                p = f"{p_value(test.p)} uncorrected"
            found = smallest(test)
            cells = (difference(test), p, interval(test.improvement), str(test.pairs), found)
            rows.append((arm.name, names[test.endpoint], *cells))
    return head, tuple(rows)


def _mark(arm: Arm, comparison: Comparison) -> str:
    return f"{arm.name} (baseline)" if arm.name == comparison.baseline else arm.name


def _runs(arm: Arm) -> str:
    lost = sum(run.status == DIVERGED for run in arm.runs)
    return f"{len(arm.runs)} ({lost} diverged)" if lost else str(len(arm.runs))


def _exploratory(comparison: Comparison) -> Iterator[Block]:
    """Metrics in rows, arms in columns; the baseline by its level, the others by their differences from it."""
    if not comparison.exploratory:
        return
    base, *others = baseline_first(comparison)
    tests = {(test.endpoint, test.arm): test for test in comparison.exploratory}
    metrics = [m for m in dict.fromkeys(metric for metric, _ in tests) if _is_known(comparison, m)]
    rows = [
        (
            metric,
            DIRECTIONS.get(metric, "none").replace("none", "-"),
            interval(comparison.estimates[base.name].get(metric, UNDEFINED)),
            *(_explored(tests.get((metric, arm.name))) for arm in others),
        )
        for metric in metrics
    ]
    yield Heading("Exploratory: other metrics")
    yield Paragraph(explained.EXPLORATORY)
    yield Table(("metric", "better", _mark(base, comparison), *(arm.name for arm in others)), tuple(rows))


def _across(comparison: Comparison) -> Iterator[Block]:
    values = [(arm, tuple(comparison.across.get(arm.name, {}).values())) for arm in baseline_first(comparison)]
    rows = [(_mark(arm, comparison), *map(number, of)) for arm, of in values if not all(map(math.isnan, of))]
    if rows:
        yield Paragraph(explained.ACROSS)
        yield Table(("arm", "dispersion across runs", "risk across runs"), tuple(rows))


def _explored(test: Contrast | None) -> str:
    return "-" if test is None or math.isnan(test.effect.value) else f"{difference(test)}, p {p_value(test.p)}"


def _is_known(comparison: Comparison, metric: str) -> bool:
    return any(not math.isnan(of.get(metric, UNDEFINED).value) for of in comparison.estimates.values())


def _differences(comparison: Comparison) -> Iterator[Block]:
    yield Heading("How the arms' configurations differ")
    arms = baseline_first(comparison)
    rows = [
        (key, *("-" if values.get(arm.name) is None else text(values[arm.name]) for arm in arms))
        for key, values in comparison.differences.items()
    ]
    yield Table(("key", *(_mark(arm, comparison) for arm in arms)), tuple(rows)) if rows else Paragraph("In nothing.")


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
    yield Paragraph(", ".join(f"{name} {version}" for name, version in comparison.versions.items()) or "Not recorded.")


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"
