"""The late window and the endpoints that live in it."""

import numpy as np
import pytest

from rl_decay import metrics


@pytest.mark.parametrize("end", [10, 70, 199_680, 300_000, 999_424, 1_000_000, 12_345_670])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.7])
def test_window_is_open_below_and_closed_above(end, share):
    t = end * np.arange(1, 11) / 10  # its border is one of the points, up to round-off
    np.testing.assert_array_equal(metrics.late_window(t, share), np.arange(1, 11) > round(10 * (1 - share)))


def test_window_of_an_interrupted_run_stays_where_it_was_planned():
    t = np.arange(1, 81)
    np.testing.assert_array_equal(metrics.late_window(t, 0.3, end=100), t > 70)
    np.testing.assert_array_equal(metrics.late_window(t, 0.5, end=60), (t > 30) & (t <= 60))


def test_oscillation_before_the_window_does_not_count():
    t = np.arange(1, 101)
    y = np.where(t <= 70, (-1.0) ** t, 0.5)
    assert metrics.osc_late(t, y) == 0
    assert metrics.osc_late(t, y, share=0.4) > 0.1


def test_eight_points_at_least():
    t, y = np.arange(1, 101), np.random.default_rng(0).random(100)
    assert np.isnan(metrics.osc_late(t, y, share=0.07))
    assert metrics.osc_late(t, y, share=0.08) == metrics.residual_std(t[-8:], y[-8:], 2)
    assert np.isfinite(metrics.osc_late(t, y, end=110))
    assert np.isnan(metrics.osc_late(t, y, end=135))  # (94.5, 135]: six points


def test_late_drawdown_remembers_the_best_score_of_all_training():
    t = np.arange(1, 11)
    y = np.array([0, 1.0, 1, 0.2, 0.2, 0.2, 0.2, 0.2, 0.1, 0.2])
    # Late are t = 8, 9, 10 with losses .8, .9, .8; 5 % of three values is the largest alone.
    assert metrics.drawdown_cvar_late(t, y) == pytest.approx(0.9)
    assert metrics.drawdown_cvar_late(t, y, alpha=0.5) == pytest.approx((0.9 + 0.5 * 0.8) / 1.5)


def test_late_retention_takes_its_width_from_the_grid():
    t = np.concatenate([np.arange(10, 90, 10), np.arange(91, 101)])  # sparse, then dense: ten points in the last tenth
    y = np.where(t > 90, 0.4, 0.8)
    # Best ten points in a row: all eight early ones and two late.
    assert metrics.retention_late(t, y) == pytest.approx(0.4 / 0.72)


def test_a_slow_run_is_not_taken_for_an_oscillating_one():
    """A run that still bends upwards at the end: a line charges its curvature, the quadratic nearly none of it."""
    t = np.linspace(0, 1, 201)[1:]
    y = 1 - np.exp(-3 * t)
    late = metrics.late_window(t)
    assert metrics.osc_late(t, y) < 0.1 * metrics.residual_std(t[late], y[late], 1)
