"""The stream equals the functions of the whole curve so far, through save and load."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_decay import metrics
from rl_decay.metrics import OscillationStream
from rl_decay.metrics.late import within


def whole_curve(t, y, end, share, delta):
    window = within(t, t[-1], share * end)
    enough = window.sum() >= 8
    return {
        "drawdown": metrics.drawdown(y)[-1],
        "excess_total_variation": metrics.excess_total_variation(y),
        "turning_rate": metrics.turning_rate(y, delta),
        "residual_std": metrics.residual_std(t[window], y[window], 2) if enough else np.nan,
    }


@settings(derandomize=True, deadline=None, max_examples=40, database=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    points=st.integers(1, 60),
    cut=st.integers(0, 60),
    share=st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    delta=st.sampled_from([0.0, 0.01, 0.5]),
    diverges=st.booleans(),
)
def test_stream_equals_the_whole_curve(*, seed, points, cut, share, delta, diverges):
    rng = np.random.default_rng(seed)
    t = rng.integers(1, 2000, points).cumsum()
    y = rng.standard_normal(points).round(1)  # rounded: ties and exact zeros occur
    if diverges:
        y[rng.integers(points)] = np.nan
    end = float(t[-1])
    stream = OscillationStream(end, share, delta)
    result = {}
    for k in range(points):
        if k == cut:  # a resumed run adds the points so far to a new stream
            stream = OscillationStream(end, share, delta)
            for earlier in range(k):
                stream.add(t[earlier], y[earlier])
        expected = whole_curve(t[: k + 1], y[: k + 1], end, share, delta)
        result = stream.add(t[k], y[k])
        np.testing.assert_array_equal(stream.best, y[: k + 1].max())
        assert result == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    np.testing.assert_array_equal(result["residual_std"], metrics.osc_late(t, y, share, end))


def test_values_are_plain():
    stream = OscillationStream(100)
    for k in range(1, 21):
        result = stream.add(np.int64(5 * k), np.float64(k % 3))
        assert {type(value) for value in result.values()} == {float}
    assert type(stream.best) is float


def test_memory_is_the_window():
    stream = OscillationStream(end=1000, share=0.1)
    for t in range(1, 1001):
        stream.add(t, 0.0)
    assert len(stream.times) == 100


def test_frozen_policy_does_not_oscillate_at_all():
    stream, result = OscillationStream(100), {}
    for t in range(1, 101):
        result = stream.add(t, 0.1)
    assert result == dict.fromkeys(("drawdown", "excess_total_variation", "turning_rate", "residual_std"), 0)
    assert stream.best == 0.1


def test_a_run_that_recovers_from_infinity_has_a_residual_again():
    stream, result = OscillationStream(100, share=0.1), {}
    stream.add(1, math.inf)
    for t in range(2, 31):
        result = stream.add(t, float(t % 2))
    assert math.isnan(result["drawdown"])
    assert math.isnan(stream.best)
    assert result["residual_std"] > 0.5


@pytest.mark.parametrize("arguments", [(0,), (100, 0.0), (100, 1.1), (100, 0.3, -1)])
def test_mistakes_are_refused(arguments):
    with pytest.raises(ValueError, match="need end"):
        OscillationStream(*arguments)


def test_time_must_advance():
    stream = OscillationStream(100)
    stream.add(5, 0.0)
    with pytest.raises(ValueError, match="after one at 5"):
        stream.add(5, 0.0)
