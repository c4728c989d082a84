"""Every metric of a single curve under its public name, with one signature, for tables and reports."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.late import drawdown_cvar_late, osc_late, retention_late
from rl_decay.metrics.oscillation import (
    excess_total_variation,
    second_difference_std,
    successive_difference_std,
    total_variation,
    turning_rate,
    von_neumann_ratio,
)
from rl_decay.metrics.reliability import dispersion_across_time, long_term_risk, short_term_risk
from rl_decay.metrics.risk import max_drawdown
from rl_decay.metrics.trend import detrend, high_frequency_share, residual_std


class Metric(NamedTuple):
    """function(t [K] env steps, y [..., K]) -> [...], and which direction is better."""

    function: Callable[[Any, Any], Any]
    direction: Literal["lower", "higher", "none"]


def _percent(t: ArrayLike) -> float:
    """A hundredth of the last time, in env steps: the interval h of differences per 1 % of training."""
    return float(np.max(t, initial=0.0)) / 100


# Free parameters are fixed here, once, so that a name means one number. Units, sources and formulas are in the
# docstrings of the functions.
METRICS = {
    "osc_late": Metric(osc_late, "lower"),
    "drawdown_cvar05_late": Metric(drawdown_cvar_late, "lower"),
    "retention": Metric(retention_late, "higher"),
    "residual_std": Metric(lambda t, y: residual_std(t, y, 2), "lower"),
    "total_variation": Metric(lambda t, y: total_variation(y), "none"),
    "excess_total_variation": Metric(lambda t, y: excess_total_variation(y), "lower"),
    "turning_rate": Metric(lambda t, y: turning_rate(y, 0.01), "lower"),
    "max_drawdown": Metric(lambda t, y: max_drawdown(y), "lower"),
    "successive_difference_std": Metric(lambda t, y: successive_difference_std(y), "lower"),
    "second_difference_std": Metric(lambda t, y: second_difference_std(y), "lower"),
    # Of the detrended curve: a trend alone would lower the ratio.
    "von_neumann_ratio": Metric(lambda t, y: von_neumann_ratio(detrend(t, y, 1)), "none"),
    "high_frequency_share": Metric(lambda t, y: high_frequency_share(t, y, 0.1), "none"),
    "dispersion_across_time": Metric(lambda t, y: dispersion_across_time(t, y, _percent(t)), "lower"),
    # The mean of the most negative changes: nearer to 0 is better.
    "short_term_risk": Metric(lambda t, y: short_term_risk(t, y, _percent(t)), "higher"),
    "long_term_risk": Metric(lambda t, y: long_term_risk(y), "lower"),
}
