"""A comparison as CSV: every run, every estimate, every difference. Empty cells are undefined numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rl_decay.compare.model import Comparison, Contrast, Estimate
from rl_decay.errors import escaped

RUN = ("arm", "task", "seed", "status", "source", "unit", "total_steps", "folder")
ARM = ("arm", "metric", "runs", "value", "low", "high")
CONTRAST = (
    *("arm", "baseline", "metric", "family", "pairs", "effect", "low", "high", "p", "p_holm"),
    *("improvement", "improvement_low", "improvement_high", "detectable", "correlation"),
)


def runs_csv(comparison: Comparison) -> str:
    """A row per run: what it is, and each metric as it was counted."""
    metrics = dict.fromkeys(name for arm in comparison.arms for run in arm.runs for name in run.metrics)
    rows = (
        [arm.name, *(getattr(run, name) for name in RUN[1:]), *(run.metrics.get(name) for name in metrics)]
        for arm in comparison.arms
        for run in arm.runs
    )
    return _csv([*RUN, *metrics], rows)


def arms_csv(comparison: Comparison) -> str:
    """A row per arm and metric: interquartile mean and 95 % interval; of what compares its runs, the number alone."""
    rows = (
        [arm.name, metric, len(arm.runs), *_bounds(estimate)]
        for arm in comparison.arms
        for metric, estimate in comparison.estimates[arm.name].items()
    )
    across = (
        [arm.name, metric, len(arm.runs), value, math.nan, math.nan]
        for arm in comparison.arms
        for metric, value in comparison.across.get(arm.name, {}).items()
    )
    return _csv(ARM, [*rows, *across])


def contrasts_csv(comparison: Comparison) -> str:
    """A row per difference from the baseline; the effect of osc_late is a logarithm, others are in their unit."""
    families = {"confirmatory": comparison.contrasts, "exploratory": comparison.exploratory}
    rows = (_contrast(comparison, family, test) for family, tests in families.items() for test in tests)
    return _csv(CONTRAST, rows)


def _contrast(comparison: Comparison, family: str, test: Contrast) -> list[Any]:
    names = [test.arm, comparison.baseline, test.endpoint, family, test.pairs]
    tested = [*_bounds(test.effect), test.p, test.p_holm]
    return [*names, *tested, *_bounds(test.improvement), test.detectable, test.correlation]


def _bounds(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if math.isnan(value) else float.__repr__(float(value))
    return escaped(value) if isinstance(value, (str, Path)) else value
