"""The runs of an arm on one grid of env steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rl_decay.compare.model import EVALUATION, TRAINING, Arm, Comparison, Run
from rl_decay.metrics.tasks import constants
from rl_decay.runs.layout import DIVERGED

POINTS = 200  # of the grid where the runs bring different ones


def baseline_first(comparison: Comparison) -> tuple[Arm, ...]:
    """The arms, the baseline in front, the others in their order."""
    return tuple(sorted(comparison.arms, key=lambda arm: arm.name != comparison.baseline))


def align(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Put runs of one task on one grid: steps [K], scores [runs, K].

    The grid is that of the longest run where the others have its points (a run that ended early has the first of them),
    else POINTS even steps over what all runs that did not diverge cover, with scores interpolated. Beyond its last
    point a diverged run scores 0, as in every table; where only returns are known it keeps its last one. K is 0 without
    a point in common, and a run that has none is NaN where it has no score either.
    """
    grid = max((run.steps for run in runs), key=len, default=np.empty(0))
    if not all(np.array_equal(run.steps, grid[: len(run.steps)]) for run in runs):
        pointed = [run.steps for run in runs if len(run.steps)]
        whole = [run.steps for run in runs if len(run.steps) and run.status != DIVERGED] or pointed
        first, last = max(steps[0] for steps in whole), min(steps[-1] for steps in whole)
        # A curve of a single point leaves one in common, or none; equal points would be no grid.
        grid = np.unique(np.linspace(first, last, POINTS)) if first <= last else np.empty(0)
    return grid, np.array([_at(run, grid) for run in runs]).reshape(len(runs), len(grid))


def measured(comparison: Comparison) -> str:
    """Whose scores the curves show: of the evaluation, or, once one run has nothing else, of the training."""
    training = any(run.kind == TRAINING for arm in comparison.arms for run in arm.runs)
    return TRAINING if training else EVALUATION


def in_returns(comparison: Comparison, task: str, scores: Any) -> Any:
    """Scores of a task as returns; what is a return already stays as it is."""
    known = constants(task) if comparison.unit == "score" else None
    return scores if known is None else known.random + scores * (known.reference - known.random)


def _at(run: Run, grid: np.ndarray) -> np.ndarray:
    lost = run.status == DIVERGED and run.unit == "score"
    if not len(run.steps):
        return np.full(len(grid), 0.0 if lost else np.nan)
    return np.interp(grid, run.steps, run.scores, right=0.0 if lost else run.scores[-1])
