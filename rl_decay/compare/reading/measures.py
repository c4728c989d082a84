"""Every metric of one run by name, of its whole curve, its late window and its end (functions: rl_decay.metrics)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from rl_decay.compare.model import Points
from rl_decay.metrics import (
    METRICS,
    drawdown_cvar_late,
    high_frequency_share,
    late_window,
    osc_late,
    residual_std,
    retention_late,
)
from rl_decay.metrics.late import FEWEST_LATE_POINTS, FINAL_SHARE, LATE_SHARE

COLLAPSED = 0.5  # a run has collapsed if its retention is below
REACHED = 0.8  # the score of steps_to_0.8
TRAINING_POINTS = 100  # of a training curve
IN_THE_LATE_WINDOW = (
    "excess_total_variation",
    "turning_rate",
    "successive_difference_std",
    "second_difference_std",
    "von_neumann_ratio",
    "high_frequency_share",
)
# Training returns are a mean over many updates of a noisy policy: they say how well a run did, not how it oscillated.
OF_TRAINING_RETURNS = ("final", "last_iterate", "auc", "steps_to_0.8", "retention", "collapse")
DIRECTIONS: dict[str, Literal["lower", "higher", "none"]] = {
    **{name: metric.direction for name, metric in METRICS.items()},
    **{f"{name}_late": METRICS[name].direction for name in IN_THE_LATE_WINDOW},
    "osc_late_linear": "lower",
    "final": "higher",
    "last_iterate": "higher",
    "auc": "higher",
    "collapse": "lower",
    "steps_to_0.8": "lower",
}


def measure(t: np.ndarray, y: np.ndarray, end: float, unit: str) -> dict[str, float]:
    """Every metric of a curve y [K] at t [K] env steps of a run that was to end at `end`; keys as in DIRECTIONS.

        *_late           the metric on (0.7 end, end]; high_frequency_share_late counts periods below 0.1 end
        osc_late_linear  residual_std around a line instead of a parabola, on the same window
        final            mean y over (0.9 end, end]
        last_iterate     y at `end`
        auc              area under the curve (trapezoids) per env step between the first and the last evaluation
        collapse         1 where retention is below 0.5, else 0
        steps_to_0.8     t of the first y of at least 0.8; of scores (unit: score) only

    A metric is NaN if the curve is too short for it, if the score of 0.8 was never reached, and if NaN or inf is among
    the points that it uses. Errors: ValueError unless t strictly increases.
    """
    values = {name: metric.function(t, y) for name, metric in METRICS.items()}
    # The functions take the last point for the end of training: wrong for a run that diverged before its end.
    values["osc_late"] = osc_late(t, y, end=end)
    values["drawdown_cvar05_late"] = drawdown_cvar_late(t, y, end=end)
    values["retention"] = retention_late(t, y, end=end)
    values["collapse"] = math.nan if math.isnan(values["retention"]) else values["retention"] < COLLAPSED
    late = late_window(t, LATE_SHARE, end)
    values |= _of_the_late_window(t[late], y[late])
    values |= _of_the_end(t, y, end)
    reached = t[y >= REACHED]
    values["steps_to_0.8"] = reached[0] if unit == "score" and len(reached) else math.nan
    return {name: float(values[name]) for name in DIRECTIONS}


def measure_training(t: np.ndarray, y: np.ndarray, end: float, unit: str) -> dict[str, float]:
    """As `measure`, for a curve of training returns: NaN in every metric of oscillation."""
    values = measure(t, y, end, unit)
    return {name: value if name in OF_TRAINING_RETURNS else math.nan for name, value in values.items()}


def training_curve(t: np.ndarray, y: np.ndarray, end: float) -> Points:
    """The latest of the values y [n] at t [n], ascending, at each of 100 even points up to `end`.

    Points before the first value are left out, so K <= 100.
    """
    points = end * np.arange(1, TRAINING_POINTS + 1) / TRAINING_POINTS
    latest = np.searchsorted(t, points, side="right") - 1  # -1 before the first value
    has_value = latest >= 0
    return points[has_value], y[latest[has_value]]


def _of_the_late_window(t: np.ndarray, y: np.ndarray) -> dict[str, float]:
    values = {f"{name}_late": METRICS[name].function(t, y) for name in IN_THE_LATE_WINDOW}
    # Periods below 0.1 of the whole training, as a share of the window: 0.1 of the window would be another frequency.
    values["high_frequency_share_late"] = high_frequency_share(t, y, FINAL_SHARE / LATE_SHARE)
    values["osc_late_linear"] = residual_std(t, y, 1) if len(t) >= FEWEST_LATE_POINTS else math.nan
    return values


def _of_the_end(t: np.ndarray, y: np.ndarray, end: float) -> dict[str, float]:
    final = y[late_window(t, FINAL_SHARE, end)]
    trapezoids = np.diff(t) * (y[1:] + y[:-1]) / 2
    area = trapezoids.sum()
    return {
        "final": final.mean() if len(final) else math.nan,
        "last_iterate": y[-1] if len(t) and t[-1] == end else math.nan,
        "auc": area / (t[-1] - t[0]) if len(t) > 1 else math.nan,
    }
