"""What a finished curve says: the numbers of summary.json, from evaluations alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rl_decay.metrics import drawdown_cvar_late, late_window, osc_late, retention_late
from rl_decay.metrics.late import FEWEST_LATE_POINTS, FINAL_SHARE, LATE_SHARE
from rl_decay.metrics.tasks import score, unit


def outcome(env_id: str, env_steps: np.ndarray, returns: np.ndarray, total_steps: int) -> dict[str, Any]:
    """Summary numbers of mean evaluation returns [K] at env_steps [K] in a run of total_steps.

    final_return is the mean over the last 10 % of the run. Oscillation is measured on scores where the task has score
    constants, on raw returns (unit: return) where not. What the curve is too short for is NaN.
    """
    final = returns[late_window(env_steps, FINAL_SHARE, total_steps)]
    late = int(late_window(env_steps, LATE_SHARE, total_steps).sum())
    scores, enough = score(env_id, returns), late >= FEWEST_LATE_POINTS
    return {
        "final_return": float(final.mean()) if len(final) else math.nan,
        "last_return": float(returns[-1]) if len(returns) else math.nan,
        "best_return": float(returns.max()) if len(returns) else math.nan,
        "osc_late": float(osc_late(env_steps, scores, LATE_SHARE, total_steps)),
        "osc_late_reason": None
        if enough
        else f"{late} evaluations in the late window, {FEWEST_LATE_POINTS} are needed",
        "drawdown_cvar05_late": float(drawdown_cvar_late(env_steps, scores, 0.05, LATE_SHARE, total_steps)),
        "retention": float(retention_late(env_steps, scores, FINAL_SHARE, total_steps)),
        "unit": unit(env_id),
    }
