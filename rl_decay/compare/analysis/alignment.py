"""The runs of an arm on one grid of env steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rl_decay.compare.model import EVALUATION, TRAINING, Arm, Comparison, Points, Run, all_runs
from rl_decay.metrics.tasks import constants
from rl_decay.runs.layout import DIVERGED

GRID_POINTS = 200  # of the grid that replaces the runs' own grids where these differ


def baseline_first(comparison: Comparison) -> tuple[Arm, ...]:
    """The arms, the baseline in front, the others in their order."""
    return tuple(sorted(comparison.arms, key=lambda arm: arm.name != comparison.baseline))


def align(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Put runs of one task on one grid: steps [K], scores [runs, K].

    The grid of the longest run is used if every other run has its first points (a run that ended early has fewer);
    otherwise GRID_POINTS even steps over the range that all runs cover, diverged ones aside, with scores interpolated.
    After its last point a diverged run scores 0, as in every table; if only returns are known it keeps its last one.
    K is 0 if no step is common to all. A run without any point scores 0 if it diverged and has scores, else NaN.
    """
    grid = max((run.steps for run in runs), key=len, default=np.empty(0))
    if not all(_begins(grid, run.steps) for run in runs):
        grid = _common_grid(runs)
    scores = [_scores_at(run, grid) for run in runs]
    # Without runs the list is empty and the array has one axis: reshape gives [0, K].
    return grid, np.array(scores).reshape(len(runs), len(grid))


def curve_kind(comparison: Comparison) -> str:
    """EVALUATION, or TRAINING as soon as one run has training returns alone: then all curves are training returns."""
    has_training = any(run.kind == TRAINING for run in all_runs(comparison.arms))
    return TRAINING if has_training else EVALUATION


def in_returns(comparison: Comparison, task: str, scores: Any) -> Any:
    """Scores of a task as returns; values that are returns already are not changed."""
    anchors = constants(task) if comparison.unit == "score" else None
    if anchors is None:
        return scores
    return anchors.random + scores * (anchors.reference - anchors.random)


def rate_curve(runs: Sequence[Run], group: str) -> Points:
    """The learning rate of a group in an arm; empty if no run recorded it.

    All seeds share one rate curve: the longest is complete, since that of a diverged run ends early.
    """
    curves = [run.rates[group] for run in runs if group in run.rates]
    return max(curves, key=lambda curve: len(curve[0]), default=(np.empty(0), np.empty(0)))


def _begins(grid: np.ndarray, steps: np.ndarray) -> bool:
    """Whether a grid begins with these steps."""
    return np.array_equal(steps, grid[: len(steps)])


def _common_grid(runs: Sequence[Run]) -> np.ndarray:
    """Even env steps over the range that every run covers; diverged runs, which end early, must not shorten it."""
    evaluated = [run for run in runs if len(run.steps)]
    finished = [run for run in evaluated if run.status != DIVERGED]
    covering = finished or evaluated
    first = max(run.steps[0] for run in covering)
    last = min(run.steps[-1] for run in covering)
    if first > last:
        return np.empty(0)
    # A curve of a single point makes first equal last: without `unique` the same step would fill the grid.
    return np.unique(np.linspace(first, last, GRID_POINTS))


def _scores_at(run: Run, grid: np.ndarray) -> np.ndarray:
    """The scores of one run at the steps of the grid, [K]."""
    drops_to_zero = run.status == DIVERGED and run.unit == "score"
    if not len(run.steps):
        return np.full(len(grid), 0.0 if drops_to_zero else np.nan)
    after_the_end = 0.0 if drops_to_zero else run.scores[-1]
    return np.interp(grid, run.steps, run.scores, right=after_the_end)
