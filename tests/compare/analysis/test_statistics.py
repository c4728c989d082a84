"""The statistics of a comparison: by hand, against rliable, against metric_cases.json, and where they are undefined."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_decay.compare.analysis import statistics as stats
from rl_decay.compare.model import Estimate

CASES = json.loads((Path(__file__).parents[2] / "data" / "metric_cases.json").read_text())["stat_cases"]

# Two tasks, nine runs of x, eight of y; one run is equal in both.
X = [[0.25, 1.08, 0.61, 0.58, 0.29, 0.48, 0.10, 0.15, 0.19], [0.41, 0.32, 0.21, 0.47, 0.27, 0.68, 0.21, 0.49, 0.19]]
Y = [[0.25, 0.80, 0.70, 0.90, 0.40, 1.40, 0.20, 0.40], [0.41, 0.30, 0.40, 0.80, 0.80, 0.90, 0.80, 0.70]]
X, Y = [np.array(task) for task in X], [np.array(task) for task in Y]
TAUS = [0.2, 0.5, 0.8, 1.2]


def rng():
    return np.random.default_rng(0)


def same(estimate, expected):
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx(expected, nan_ok=True)


class TestPublishedCases:
    @pytest.mark.parametrize("name", ["iqm_1_to_8", "iqm_len10"])
    def test_iqm(self, name):
        assert stats.iqm(CASES[name]["x"]) == CASES[name]["value"]

    def test_probability_of_improvement(self):
        case = CASES["prob_improvement"]
        assert stats.probability_of_improvement(case["x"], case["y"]) == pytest.approx(case["value"])


class TestAgainstRliable:
    """Numbers of rliable 1.2.0 on X and Y; its intervals by 100,000, 20,000 and 50,000 resamples of its own."""

    def test_iqm(self):
        # 18 and 16 values in steps of 0.01 and 0.1: bounds lie on a grid of about 0.005
        same(stats.iqm_interval(X, rng()), pytest.approx((0.34, 0.242, 0.468), abs=0.006))
        same(stats.iqm_interval(Y, rng()), pytest.approx((0.62625, 0.4325, 0.8), abs=0.011))

    def test_probability_of_improvement(self):
        estimate = stats.improvement_interval(X, Y, rng())
        assert estimate.value == pytest.approx(0.24305556)
        assert (estimate.low, estimate.high) == pytest.approx((0.09722222, 0.42013889), abs=0.011)

    def test_performance_profile(self):
        share, low, high = stats.performance_profile(X, TAUS, rng())
        assert share == pytest.approx([0.77777778, 0.22222222, 0.05555556, 0.0])
        # shares of 18 runs: one run more or less is 0.056
        assert low == pytest.approx([0.55555556, 0.05555556, 0.0, 0.0])
        assert high == pytest.approx([0.94444444, 0.38888889, 0.16666667, 0.0])

    @pytest.mark.slow
    @pytest.mark.parametrize("shape", [(3, 1), (10, 1), (7, 4), (40, 2)])
    def test_on_random_data(self, shape):
        from rliable import library, metrics  # seconds to import

        x, y = np.random.default_rng(shape).normal(size=(2, *shape))
        tasks_x, tasks_y = list(x.T), list(y.T)
        np.random.seed(0)  # rliable draws from NumPy's global generator

        def published(data, function):
            value, bounds = library.get_interval_estimates(data, lambda *x: np.array([function(*x)]), reps=10_000)
            return value["arm"][0], *bounds["arm"][:, 0]

        for ours, theirs in (
            (stats.iqm_interval(tasks_x, rng()), published({"arm": x}, metrics.aggregate_iqm)),
            (
                stats.improvement_interval(tasks_x, tasks_y, rng()),
                published({"arm": (x, y)}, metrics.probability_of_improvement),
            ),
        ):
            assert ours.value == pytest.approx(theirs[0])
            # two bootstraps of 10,000: their percentiles agree to a few percent of the interval
            width = theirs[2] - theirs[1]
            assert (ours.low, ours.high) == pytest.approx(theirs[1:], abs=0.04 * width)


class TestIqm:
    def test_by_hand(self):
        assert stats.iqm([5]) == 5
        assert stats.iqm([1, 2, 6]) == 3  # floor(3/4) = 0 are cut: (1 + 2 + 6) / 3
        assert stats.iqm([100, 2, 4, -50]) == 3  # one at either end: (2 + 4) / 2
        assert stats.iqm([9, 1, 2, 3, 4, 5, 6]) == 4  # floor(7/4) = 1: (2 + 3 + 4 + 5 + 6) / 5

    def test_what_is_undefined(self):
        assert np.isnan(stats.iqm([]))
        assert np.isnan(stats.iqm([1, 2, 3, np.nan]))  # which a sort puts where it is cut off
        assert np.isnan(stats.iqm([-np.inf, 2, 3, 4]))

    @given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 99))
    @settings(max_examples=40, deadline=None)
    def test_every_row_for_itself(self, rows, n, seed):
        x = np.random.default_rng(seed).normal(size=(2, rows, n))
        assert all(stats.iqm(x)[i, j] == stats.iqm(x[i, j]) for i in range(2) for j in range(rows))


class TestIntervals:
    def test_two_values_by_hand(self):
        # means of two draws from {0, 1}: 0, 1/2, 1 with chances 1/4, 1/2, 1/4, so both ends lie within the bounds
        same(stats.iqm_interval([np.array([0.0, 1.0])], rng()), (0.5, 0, 1))

    def test_runs_are_redrawn_within_their_task(self):
        # whatever is drawn, three runs score 0 and three 1: sorted 0 0 0 1 1 1, one cut off at either end, 2/4
        same(stats.iqm_interval([np.zeros(3), np.ones(3)], rng()), (0.5, 0.5, 0.5))

    def test_one_value_has_no_interval(self):
        same(stats.iqm_interval([np.array([2.0])], rng()), (2, math.nan, math.nan))
        same(stats.iqm_interval([np.array([2.0, 4.0]), np.array([6.0])], rng()), (4, math.nan, math.nan))
        same(stats.improvement_interval([np.array([2.0])], [np.array([1.0, 2.0])], rng()), (0.75, math.nan, math.nan))

    def test_what_is_undefined(self):
        for strata in ([], [np.empty(0)], [np.array([1.0, np.nan, 2.0])]):
            same(stats.iqm_interval(strata, rng()), (math.nan,) * 3)
        for x, y in (([], []), ([np.empty(0)], [np.ones(2)]), ([np.ones(2)], [np.array([1, np.nan])])):
            same(stats.improvement_interval(x, y, rng()), (math.nan,) * 3)
        with pytest.raises(ValueError, match="no runs"):
            stats.mean_interval([], rng())

    def test_reproducible(self):
        values = [np.random.default_rng(1).normal(size=30)]
        assert stats.iqm_interval(values, rng()) == stats.iqm_interval(values, rng())
        assert stats.iqm_interval(values, rng()) != stats.iqm_interval(values, np.random.default_rng(1))

    def test_coverage(self, monkeypatch):
        monkeypatch.setattr(stats, "RESAMPLES", 1000)
        # nominal 0.95; the percentile bootstrap of the IQM reaches 0.93 with 10 normal values; 400 repeats: +- 0.012
        draws = np.random.default_rng(3).normal(size=(400, 10))
        intervals = [stats.iqm_interval([d], rng()) for d in draws]
        assert 0.89 < np.mean([e.low < 0 < e.high for e in intervals]) < 0.97

    def test_mean_of_curves(self):
        curves = np.array([[0.0, 1.0, 5.0], [1.0, 1.0, np.nan]])
        mean, low, high = stats.mean_interval([curves], rng())
        np.testing.assert_array_equal([mean, low, high], [[0.5, 1, np.nan], [0, 1, np.nan], [1, 1, np.nan]])
        mean, low, high = stats.mean_interval([curves[:1]], rng())
        np.testing.assert_array_equal(mean, curves[0])
        assert np.isnan([low, high]).all()
        assert [part.shape for part in stats.mean_interval([np.empty((3, 0))], rng())] == [(0,)] * 3

    def test_a_profile_is_strictly_above(self):
        share, _, _ = stats.performance_profile([np.array([0.0, 0.5]), np.array([0.5, 1.0])], [0, 0.5, 1], rng())
        assert list(share) == [0.75, 0.25, 0]
        assert np.isnan(stats.performance_profile([np.array([0.0, np.nan])], [0.5], rng())).all()


class TestImprovement:
    def test_by_hand(self):
        # 2 > 1, 2 = 2, 0 < 1, 0 < 2: (1 + 1/2 + 0 + 0) / 4
        assert stats.probability_of_improvement([2, 0], [1, 2]) == 0.375
        assert stats.probability_of_improvement([1, 1], [1, 1, 1]) == 0.5

    def test_mean_over_tasks_whatever_their_number_of_runs(self):
        # task 1: always (1), task 2: never (0)
        x, y = [np.ones(2), np.zeros(7)], [np.zeros(3), np.ones(2)]
        same(stats.improvement_interval(x, y, rng()), (0.5, 0.5, 0.5))

    def test_what_is_undefined(self):
        assert np.isnan(stats.probability_of_improvement([], [1]))
        assert np.isnan(stats.probability_of_improvement([1, np.nan], [1]))

    def test_every_row_for_itself(self):
        x, y = np.random.default_rng(1).integers(0, 5, size=(2, 3, 6))
        together = stats.probability_of_improvement(x, y)
        assert list(together) == [stats.probability_of_improvement(a, b) for a, b in zip(x, y)]


class TestEffects:
    def test_osc_effect(self):
        assert stats.osc_effect(0.0, 0.0) == 0
        assert stats.osc_effect(0.07, 0.1) == pytest.approx(-0.33647, abs=1e-5)  # log(0.075 / 0.105) = log(5 / 7)
        np.testing.assert_allclose(stats.osc_effect([0.0, 0.5], 0.02), np.log([0.2, 20.2]))

    def test_correlation(self):
        # deviations -1 0 1 and -1 1 0: (1 + 0 + 0) / (sqrt 2 * sqrt 2)
        assert stats.correlation([np.array([1.0, 2, 3])], [np.array([0.0, 2, 1])]) == pytest.approx(0.5)

    def test_correlation_within_tasks(self):
        # the second task lies 100 higher in both arms; within the tasks the arms oppose each other
        x, y = [np.array([0.0, 1]), np.array([100.0, 101])], [np.array([1.0, 0]), np.array([101.0, 100])]
        assert stats.correlation(x, y) == pytest.approx(-1)

    def test_correlation_undefined(self):
        one, two, three = np.array([0.3]), np.array([0.0, 1.0]), np.array([0.0, 1.0, 3.0])
        for x, y in (([], []), ([two], [two]), ([one] * 4, [one] * 4), ([three], [np.full(3, 0.1)])):
            assert math.isnan(stats.correlation(x, y))
        assert math.isnan(stats.correlation([three], [np.array([0, np.nan, 1])]))


def test_estimates_are_plain_floats():
    estimate = stats.iqm_interval([np.arange(4.0)], rng())
    assert isinstance(estimate, Estimate)
    assert [type(x) for x in (estimate.value, estimate.low, estimate.high)] == [float] * 3
