"""What must not change when a curve is shifted, scaled, mirrored, slowed down, tilted, or has neighbours."""

import numpy as np
import pytest
import update_paths
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from rl_decay import metrics
from rl_decay.metrics import METRICS

# Scores on a grid of 1/64: shifts by whole numbers are then exact, and a tie stays a tie.
SCORES = st.integers(-128, 128).map(lambda k: k / 64)
CURVES = st.integers(3, 60).flatmap(lambda k: arrays(np.float64, k, elements=SCORES))
property_test = settings(derandomize=True, deadline=None, max_examples=40, database=None)

UNIT_OF_Y = {
    "total_variation": metrics.total_variation,
    "excess_total_variation": metrics.excess_total_variation,
    "successive_difference_std": metrics.successive_difference_std,
    "second_difference_std": metrics.second_difference_std,
    "residual_std": lambda y: metrics.residual_std(times(y), y, 1),
    "residual_std_quadratic": lambda y: metrics.residual_std(times(y), y, 2),
    "osc_late": lambda y: metrics.osc_late(times(y), y),
    "dispersion_across_time": lambda y: metrics.dispersion_across_time(times(y), y, 10.0),
    "max_drawdown": metrics.max_drawdown,
    "long_term_risk": metrics.long_term_risk,
    "drawdown_cvar_late": lambda y: metrics.drawdown_cvar_late(times(y), y),
    "short_term_risk": lambda y: metrics.short_term_risk(times(y), y, 10.0),
}
WITHOUT_UNIT = {
    "turning_rate": lambda y: metrics.turning_rate(y, 0.0),
    "von_neumann_ratio": metrics.von_neumann_ratio,
    "von_neumann_ratio_detrended": lambda y: metrics.von_neumann_ratio(metrics.detrend(times(y), y, 1)),
    "high_frequency_share": lambda y: metrics.high_frequency_share(times(y), y, 0.1),
}
CHANGED_BY_MIRROR = ("max_drawdown", "long_term_risk", "drawdown_cvar_late", "short_term_risk")


def times(y):
    return 1000.0 * np.arange(1, np.shape(y)[-1] + 1)


def same(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)


@property_test
@given(CURVES)
def test_shift(y):
    for name, function in (UNIT_OF_Y | WITHOUT_UNIT).items():
        assert function(y + 3) == same(function(y)), name


@property_test
@given(CURVES)
def test_scale(y):
    for name, function in UNIT_OF_Y.items():
        assert function(7 * y) == same(7 * function(y)), name
    for name, function in WITHOUT_UNIT.items():
        assert function(7 * y) == same(function(y)), name


@property_test
@given(CURVES)
def test_mirror(y):
    for name, function in (UNIT_OF_Y | WITHOUT_UNIT).items():
        if name not in CHANGED_BY_MIRROR:
            assert function(-y) == same(function(y)), name


@property_test
@given(CURVES)
def test_slower_clock(y):
    slow = 10 * times(y)
    for name, metric in METRICS.items():  # rates are per hundredth of the run, which slows down with it
        assert metric.function(slow, y) == same(metric.function(times(y), y)), name
    rate = metrics.dispersion_across_time(times(y), y, 10.0)
    assert metrics.dispersion_across_time(slow, y, 10.0) == same(rate / 10)


@property_test
@given(CURVES, st.floats(-2, 2))
def test_tilt(y, slope):
    tilted = y + slope * times(y) / times(y)[-1]
    for name in (
        "residual_std",
        "residual_std_quadratic",
        "osc_late",
        "dispersion_across_time",
        "second_difference_std",
    ):
        assert UNIT_OF_Y[name](tilted) == same(UNIT_OF_Y[name](y)), name
    for name in ("von_neumann_ratio_detrended", "high_frequency_share"):
        assert WITHOUT_UNIT[name](tilted) == same(WITHOUT_UNIT[name](y)), name


REDUCE_LAST = {
    **UNIT_OF_Y,
    **WITHOUT_UNIT,
    **{name: lambda y, f=metric.function: f(times(y), y) for name, metric in METRICS.items()},
    "drawdown": metrics.drawdown,
    "detrend": lambda y: metrics.detrend(times(y), y, 2),
    "differences": lambda y: metrics.differences(times(y), y, 10.0),
    "retention": lambda y: metrics.retention(y, 2),
    "cvar_lower": lambda y: metrics.cvar(y, 0.3, "lower"),
    "cvar_upper": lambda y: metrics.cvar(y, 0.3, "upper"),
    "dispersion_across_runs": metrics.dispersion_across_runs,
    "risk_across_runs": metrics.risk_across_runs,
}


@property_test
@given(st.integers(1, 5), st.integers(3, 300), st.integers(0, 2**32 - 1), st.sampled_from("CF"))
def test_a_curve_never_notices_its_neighbours(members, points, seed, layout):
    y = np.asarray(np.random.default_rng(seed).standard_normal((2, members, points)), order=layout)
    y[0, 0, points // 2] = np.nan  # one diverged neighbour
    for name, function in REDUCE_LAST.items():
        together = function(y)
        for m in np.ndindex(2, members):
            np.testing.assert_array_equal(together[m], function(y[m]), err_msg=name)


@property_test
@given(st.integers(1, 5), st.integers(2, 9), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_a_path_never_notices_its_neighbours(members, points, size, seed):
    theta = np.random.default_rng(seed).standard_normal((members, points, size))
    for function in (
        update_paths.update_cosines,
        update_paths.negative_cosine_share,
        update_paths.straightness,
        update_paths.path_length,
    ):
        for m in range(members):
            np.testing.assert_array_equal(function(theta)[m], function(theta[m]))


@property_test
@given(arrays(np.float64, array_shapes(min_dims=1, max_dims=2, max_side=30), elements=SCORES))
def test_input_is_left_alone(y):
    before = y.copy()
    y.setflags(write=False)
    for function in REDUCE_LAST.values():
        function(y)
    np.testing.assert_array_equal(y, before)
