"""A comparison as CSV: every run, every estimate, every difference. Empty cells are undefined numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rl_decay.compare.model import Comparison, Contrast, Estimate, all_runs
from rl_decay.errors import escaped

RUN = ("arm", "task", "seed", "status", "source", "unit", "total_steps", "folder")
ARM = ("arm", "metric", "runs", "value", "low", "high")
CONTRAST = (
    *("arm", "baseline", "metric", "family", "pairs", "effect", "low", "high", "p", "p_holm"),
    *("improvement", "improvement_low", "improvement_high", "detectable", "correlation"),
)


def runs_csv(comparison: Comparison) -> str:
    """A row per run: the columns of RUN, and each metric as it was counted."""
    metrics: dict[str, None] = {}  # used as an ordered set
    for run in all_runs(comparison.arms):
        metrics |= dict.fromkeys(run.metrics)
    rows = []
    for arm in comparison.arms:
        for run in arm.runs:
            facts = [getattr(run, name) for name in RUN[1:]]
            numbers = [run.metrics.get(name) for name in metrics]
            rows.append([arm.name, *facts, *numbers])
    return _csv([*RUN, *metrics], rows)


def arms_csv(comparison: Comparison) -> str:
    """A row per arm and metric: interquartile mean and 95 % interval; the metrics across runs have no interval."""
    rows = []
    for arm in comparison.arms:
        for metric, estimate in comparison.estimates[arm.name].items():
            rows.append([arm.name, metric, len(arm.runs), *_bounds(estimate)])
    for arm in comparison.arms:
        for metric, value in comparison.across[arm.name].items():
            rows.append([arm.name, metric, len(arm.runs), value, math.nan, math.nan])
    return _csv(ARM, rows)


def contrasts_csv(comparison: Comparison) -> str:
    """A row per difference from the baseline; the effect of osc_late is a logarithm, others are in their unit."""
    rows = [_contrast(comparison, "confirmatory", test) for test in comparison.contrasts]
    rows += [_contrast(comparison, "exploratory", test) for test in comparison.exploratory]
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
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return file.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        # A NumPy float is a float, but its own repr would be "np.float64(0.5)".
        return "" if math.isnan(value) else float.__repr__(float(value))
    return escaped(value) if isinstance(value, (str, Path)) else value
