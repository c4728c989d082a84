"""The evaluations of a run so far, and the numbers that summary.json draws from them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rl_decay.metrics import drawdown_cvar_late, late_window, osc_late, retention_late
from rl_decay.metrics.late import FEWEST_LATE_POINTS, FINAL_SHARE, LATE_SHARE
from rl_decay.metrics.streaming import OscillationStream
from rl_decay.metrics.tasks import score, unit


class EvaluationHistory:
    """The mean return of each evaluation of a run, and its oscillation, updated with every point.

    task: the id whose score constants apply. total_steps: the planned length of the run, where its late window ends.
    """

    def __init__(self, task: str, total_steps: int):
        self._task = task
        self._total_steps = total_steps
        self._stream = OscillationStream(end=total_steps, share=LATE_SHARE)
        self.env_steps: list[int] = []
        self.returns: list[float] = []

    @property
    def has_scores(self) -> bool:
        """Whether the task has score constants; without them the score of a return is the return itself."""
        return unit(self._task) == "score"

    def add(self, steps: int, mean_return: float) -> tuple[float, dict[str, float]]:
        """Add an evaluation after `steps` environment steps; returns its score and {name: oscillation so far}."""
        point_score = float(score(self._task, mean_return))
        self.env_steps.append(steps)
        self.returns.append(mean_return)
        return point_score, self._stream.add(steps, point_score)

    def summary(self) -> dict[str, Any]:
        """The numbers of summary.json that come from evaluations."""
        env_steps = np.array(self.env_steps, float)
        return evaluation_summary(self._task, env_steps, np.array(self.returns), self._total_steps)


def evaluation_summary(env_id: str, env_steps: np.ndarray, returns: np.ndarray, total_steps: int) -> dict[str, Any]:
    """Summary numbers of mean evaluation returns [K] at env_steps [K] in a run of total_steps.

    final_return is the mean over the last 10 % of the run. Oscillation is measured on scores if the task has score
    constants, else on raw returns (unit: return). A number for which there are too few evaluations is NaN.
    """
    scores = score(env_id, returns)
    final_returns = returns[late_window(env_steps, FINAL_SHARE, total_steps)]
    late_points = int(late_window(env_steps, LATE_SHARE, total_steps).sum())
    reason = None
    if late_points < FEWEST_LATE_POINTS:
        reason = f"{late_points} evaluations in the late window, {FEWEST_LATE_POINTS} are needed"
    return {
        "final_return": float(final_returns.mean()) if len(final_returns) else math.nan,
        "last_return": float(returns[-1]) if len(returns) else math.nan,
        "best_return": float(returns.max()) if len(returns) else math.nan,
        "osc_late": float(osc_late(env_steps, scores, LATE_SHARE, total_steps)),
        "osc_late_reason": reason,
        "drawdown_cvar05_late": float(drawdown_cvar_late(env_steps, scores, 0.05, LATE_SHARE, total_steps)),
        "retention": float(retention_late(env_steps, scores, FINAL_SHARE, total_steps)),
        "unit": unit(env_id),
    }
