"""The measures of Chan et al. 2020, by hand."""

import numpy as np
import pytest

from rl_decay import metrics


def test_differences_are_rates_per_h():
    t, y = [0, 10, 30], [0.0, 1.0, 5.0]
    np.testing.assert_allclose(metrics.differences(t, y, 100.0), [10, 20])
    # quartiles of 10, 20: 12.5 and 17.5
    assert metrics.dispersion_across_time(t, y, 100.0) == pytest.approx(5)
    assert metrics.short_term_risk(t, y, 100.0) == pytest.approx(10)


def test_runs_are_the_last_axis():
    curves = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [4.0, np.nan]])  # [R = 5, K = 2]
    np.testing.assert_allclose(metrics.dispersion_across_runs(curves.T), [2, np.nan])
    np.testing.assert_allclose(metrics.risk_across_runs(curves.T, alpha=0.4), [0.5, np.nan])


def test_collapse_is_the_worst_risk_and_learning_none():
    ramp = np.linspace(0, 1, 100)
    collapsed = np.where(np.arange(100) < 50, ramp * 2, 0.0)
    assert metrics.long_term_risk(ramp) == 0
    assert metrics.long_term_risk(collapsed) == pytest.approx(98 / 99)


def test_nothing_to_reduce_is_undefined():
    assert np.isnan(metrics.interquartile_range([]))
    assert np.isnan(metrics.risk_across_runs([]))
    assert np.isnan(metrics.long_term_risk([]))
