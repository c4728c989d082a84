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

CHAN = "Chan et al. 2020"
OWN = "rl_decay"


class Metric(NamedTuple):
    """function(t [K] env steps, y [..., K]) -> [...], its unit ("score": that of y), and which direction is better."""

    function: Callable[[Any, Any], Any]
    unit: Literal["score", "score per 1 %", "share", "ratio"]
    direction: Literal["lower", "higher", "none"]
    source: str


def _percent(t: ArrayLike) -> float:
    return float(np.max(t, initial=0.0)) / 100


# Free parameters are fixed here, once, so that a name means one number. "1 %" is a hundredth of the last time.
METRICS = {
    "osc_late": Metric(osc_late, "score", "lower", OWN),
    "drawdown_cvar05_late": Metric(drawdown_cvar_late, "score", "lower", CHAN),
    "retention": Metric(retention_late, "ratio", "higher", OWN),
    "residual_std": Metric(lambda t, y: residual_std(t, y, 2), "score", "lower", "least squares"),
    "total_variation": Metric(lambda t, y: total_variation(y), "score", "none", "Jordan 1881"),
    "excess_total_variation": Metric(lambda t, y: excess_total_variation(y), "score", "lower", "Jordan 1881"),
    "turning_rate": Metric(lambda t, y: turning_rate(y, 0.01), "share", "lower", "Bienaymé 1874"),
    "max_drawdown": Metric(lambda t, y: max_drawdown(y), "score", "lower", CHAN),
    "successive_difference_std": Metric(lambda t, y: successive_difference_std(y), "score", "lower", "Allan 1966"),
    "second_difference_std": Metric(lambda t, y: second_difference_std(y), "score", "lower", "Baugh 1971"),
    "von_neumann_ratio": Metric(lambda t, y: von_neumann_ratio(detrend(t, y, 1)), "ratio", "none", "von Neumann 1941"),
    "high_frequency_share": Metric(lambda t, y: high_frequency_share(t, y, 0.1), "share", "none", CHAN),
    "dispersion_across_time": Metric(
        lambda t, y: dispersion_across_time(t, y, _percent(t)), "score per 1 %", "lower", CHAN
    ),
    "short_term_risk": Metric(lambda t, y: short_term_risk(t, y, _percent(t)), "score per 1 %", "higher", CHAN),
    "long_term_risk": Metric(lambda t, y: long_term_risk(y), "score", "lower", CHAN),
}
