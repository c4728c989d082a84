"""Runs of an arm on one grid of env steps."""

import handmade
import numpy as np
import pytest

from rl_decay.compare.analysis.alignment import GRID_POINTS, align, baseline_first, curve_kind, in_returns
from rl_decay.compare.model import Arm


def a_run(steps, scores, status="finished", unit="score", kind="evaluation"):
    t, y = np.array(steps, dtype=float), np.array(scores, dtype=float)
    return handmade.run(status=status, total_steps=100, unit=unit, steps=t, scores=y, kind=kind)


def a_comparison(runs=(), unit="score", names=("a", "none")):
    arms = tuple(Arm(name, tuple(runs), {}) for name in names)
    return handmade.comparison(arms=arms, unit=unit)


def test_runs_of_one_grid_stay_as_they_are():
    steps, scores = align([a_run([10, 20, 30], [1, 2, 3]), a_run([10, 20, 30], [4, 5, 6])])
    np.testing.assert_array_equal(steps, [10, 20, 30])
    np.testing.assert_array_equal(scores, [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(("unit", "beyond"), [("score", 0.0), ("return", 4.0)])
def test_a_diverged_run_scores_zero_from_then_on(unit, beyond):
    whole, lost = a_run([10, 20, 30], [1, 2, 3], unit=unit), a_run([10], [4], "diverged", unit)
    np.testing.assert_array_equal(align([lost, whole])[1], [[4, beyond, beyond], [1, 2, 3]])


def test_a_run_that_diverged_before_its_first_evaluation():
    whole = a_run([10, 20], [1, 2])
    np.testing.assert_array_equal(align([a_run([], [], "diverged"), whole])[1], [[0, 0], [1, 2]])
    of_returns = align([a_run([], [], "diverged", "return"), a_run([10, 20], [1, 2], unit="return")])[1]
    np.testing.assert_array_equal(of_returns, [[np.nan, np.nan], [1, 2]])


def test_different_grids_meet_on_what_all_finished_runs_cover():
    # y = t / 10 on both; they share [20, 30]
    runs = [a_run([10, 30], [1, 3]), a_run([20, 40], [2, 4]), a_run([5], [9], "diverged")]
    steps, scores = align(runs)
    np.testing.assert_allclose(steps, np.linspace(20, 30, GRID_POINTS))
    np.testing.assert_allclose(scores[:2], [steps / 10, steps / 10])
    assert not scores[2].any()


def test_a_curve_of_one_point_leaves_one_in_common_or_none():
    steps, scores = align([a_run([20], [5]), a_run([10, 20], [1, 3])])
    np.testing.assert_array_equal(steps, [20])
    np.testing.assert_array_equal(scores, [[5], [3]])
    steps, scores = align([a_run([20], [5]), a_run([5, 10], [1, 3])])
    assert steps.shape == (0,) and scores.shape == (2, 0)


def test_no_runs_and_no_points():
    assert [x.shape for x in align([])] == [(0,), (0, 0)]
    assert [x.shape for x in align([a_run([], [])])] == [(0,), (1, 0)]


def test_scores_become_returns_where_they_are_scores():
    # CartPole-v1: random 22.97, reference 500; 22.97 + 0.5 * (500 - 22.97) = 261.485
    assert in_returns(a_comparison(), "CartPole-v1", 0.5) == pytest.approx(261.485)
    assert in_returns(a_comparison(unit="return"), "CartPole-v1", 0.5) == 0.5
    assert in_returns(a_comparison(), "Unknown-v0", 0.5) == 0.5


def test_the_baseline_comes_first_and_the_others_keep_their_order():
    names = [arm.name for arm in baseline_first(a_comparison(names=("b", "a", "none", "c")))]
    assert names == ["none", "b", "a", "c"]


def test_one_foreign_run_makes_all_curves_training_returns():
    assert curve_kind(a_comparison([a_run([1], [1])])) == "evaluation"
    assert curve_kind(a_comparison([a_run([1], [1]), a_run([1], [1], kind="training")])) == "training"
