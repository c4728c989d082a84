"""How much a training curve oscillates: pure functions of NumPy arrays that reduce the last axis, and their stream.

`METRICS` lists the metrics of one curve by name; each module opens with the conventions that it shares.
"""

from rl_decay.metrics.catalogue import METRICS, Metric
from rl_decay.metrics.late import drawdown_cvar_late, late_window, osc_late, retention_late
from rl_decay.metrics.oscillation import (
    excess_total_variation,
    second_difference_std,
    successive_difference_std,
    total_variation,
    turning_rate,
    von_neumann_ratio,
)
from rl_decay.metrics.reliability import (
    differences,
    dispersion_across_runs,
    dispersion_across_time,
    interquartile_range,
    long_term_risk,
    risk_across_runs,
    short_term_risk,
)
from rl_decay.metrics.risk import cvar, drawdown, max_drawdown, retention
from rl_decay.metrics.streaming import OscillationStream
from rl_decay.metrics.tasks import TASKS, score, unit
from rl_decay.metrics.trend import detrend, high_frequency_share, residual_std

__all__ = [
    "METRICS",
    "TASKS",
    "Metric",
    "OscillationStream",
    "cvar",
    "detrend",
    "differences",
    "dispersion_across_runs",
    "dispersion_across_time",
    "drawdown",
    "drawdown_cvar_late",
    "excess_total_variation",
    "high_frequency_share",
    "interquartile_range",
    "late_window",
    "long_term_risk",
    "max_drawdown",
    "osc_late",
    "residual_std",
    "retention",
    "retention_late",
    "risk_across_runs",
    "score",
    "second_difference_std",
    "short_term_risk",
    "successive_difference_std",
    "total_variation",
    "turning_rate",
    "unit",
    "von_neumann_ratio",
]
