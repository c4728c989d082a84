"""The functions of one curve, by hand, at their edges, and where they are undefined."""

import numpy as np
import pytest

from rl_decay import metrics
from rl_decay.metrics import METRICS

NAN = float("nan")


def exactly(value):
    return pytest.approx(value, rel=0, abs=0, nan_ok=True)


def test_variation_by_hand():
    y = [0.0, 2.0, 1.0, 4.0]  # up 2 + 3, down 1
    assert metrics.total_variation(y) == 6
    assert metrics.excess_total_variation(y) == 2
    np.testing.assert_array_equal(metrics.drawdown(y), [0, 0, 1, 0])
    # (4 + 1 + 9) / 3 / 2;  second differences -3, 4: (9 + 16) / 2 / 6
    assert metrics.successive_difference_std(y) == pytest.approx((14 / 6) ** 0.5)
    assert metrics.second_difference_std(y) == pytest.approx((25 / 12) ** 0.5)
    # mean 1.75: 3.0625 + 0.0625 + 0.5625 + 5.0625 = 8.75
    assert metrics.von_neumann_ratio(y) == pytest.approx(14 / 8.75)


def test_turns_ignore_quiet_steps():
    y = [0.0, 1.0, 0.9, 0.8, 2.0, 1.0]  # steps +1, -.1, -.1, +1.2, -1
    assert metrics.turning_rate(y, 0.0) == pytest.approx(3 / 4)
    assert metrics.turning_rate(y, 0.15) == pytest.approx(1 / 4)
    assert metrics.turning_rate([0, 0, 1, 1, 0, 0], 0.0) == pytest.approx(1 / 4)  # flat parts neither turn nor forget
    assert metrics.turning_rate([0.0, 0.25, 0.0], 0.25) == 0  # "at most delta" is quiet


def test_monotone_curves_undo_exactly_nothing():
    rising = np.cumsum(np.random.default_rng(0).random(1000))
    assert metrics.excess_total_variation(rising) == 0
    assert metrics.excess_total_variation(-rising) == 0
    assert metrics.turning_rate(rising, 0.0) == 0


@pytest.mark.parametrize(
    ("alpha", "lower", "upper"),
    [
        (0.25, 1.0, 8.0),  # one of four
        (0.375, (1 + 0.5 * 2) / 1.5, (8 + 0.5 * 2) / 1.5),  # one and a half
        (0.1, 1.0, 8.0),  # less than one value: the extreme
        (1.0, 3.25, 3.25),  # everything: the mean
    ],
)
def test_tail_mean_by_hand(alpha, lower, upper):
    x = [2.0, 8.0, 1.0, 2.0]
    assert metrics.cvar(x, alpha, "lower") == pytest.approx(lower)
    assert metrics.cvar(x, alpha, "upper") == pytest.approx(upper)


def test_tail_mean_under_ties():
    # A plateau at 500 with ten dips to 180: the lowest 5 % of 200 are exactly the dips, the lowest 10 % half of them.
    x = np.where(np.arange(200) % 20 == 0, 180.0, 500.0)
    assert metrics.cvar(x, 0.05, "lower") == pytest.approx(180)
    assert metrics.cvar(x, 0.10, "lower") == pytest.approx(340)
    assert metrics.cvar(x, 0.05, "upper") == pytest.approx(500)


def test_retention_by_hand():
    y = [0, 1.0, 0.8, 0.2, 0.25]  # best pair (1 + .8)/2, last pair (.2 + .25)/2
    assert metrics.retention(y, 2) == pytest.approx(0.225 / 0.9)
    assert metrics.retention([0.5, -9.0], 1) == 0
    assert metrics.retention([-1.0, -2.0], 1) == exactly(NAN)


def test_quadratics_have_no_residual_and_round_off_no_roughness():
    t = np.linspace(1e4, 1e7, 500)
    y = 40 + 3 * (t / 1e7) - 2 * (t / 1e7) ** 2
    assert metrics.residual_std(t, y, 2) == 0
    assert metrics.residual_std(t, y, 1) > 0.1
    line, flat = 0.1 + 0.3 * t / 1e7, np.full_like(t, 0.1)
    for trend in (line, flat):
        assert metrics.von_neumann_ratio(metrics.detrend(t, trend, 1)) == exactly(NAN)
        assert metrics.high_frequency_share(t, trend, 0.1) == exactly(NAN)
    assert metrics.von_neumann_ratio(flat) == exactly(NAN)
    assert metrics.von_neumann_ratio(line) == pytest.approx(12 / (500 * 501))


def test_small_but_real_oscillation_is_kept():
    t, y = np.arange(100.0), 1 + 1e-9 * (-1.0) ** np.arange(100)
    assert metrics.von_neumann_ratio(metrics.detrend(t, y, 1)) == pytest.approx(3.96, abs=0.01)
    assert metrics.residual_std(t, y, 1) == pytest.approx(1e-9, rel=0.02)


def test_spectrum_by_hand():
    t = np.arange(64.0)
    wave = np.cos(2 * np.pi * 16 * t / 64)
    # A line fitted to whole cosines is nearly flat; 16 cycles are above 1/0.1 = 10 and below 1/0.05 = 20.
    assert metrics.high_frequency_share(t, wave, 0.1) == pytest.approx(1, abs=0.01)
    assert metrics.high_frequency_share(t, wave, 0.05) == pytest.approx(0, abs=0.01)
    assert metrics.high_frequency_share(t[:31], wave[:31], 0.1) == exactly(NAN)
    uneven = np.where(t > 30, t + 0.2, t)
    assert metrics.high_frequency_share(uneven, wave, 0.1) == exactly(NAN)


FEWEST = {
    "total_variation": 2,
    "excess_total_variation": 2,
    "turning_rate": 3,
    "max_drawdown": 1,
    "successive_difference_std": 2,
    "second_difference_std": 3,
    "von_neumann_ratio": 3,
    "residual_std": 4,
    "high_frequency_share": 32,
    "dispersion_across_time": 2,
    "short_term_risk": 2,
    "long_term_risk": 1,
    "drawdown_cvar05_late": 1,
    "retention": 1,
    "osc_late": 24,  # of 24 points 8 lie in the last 30 %: 0.7 * 24 = 16.8
}


@pytest.mark.parametrize("name", METRICS)
def test_defined_from_its_fewest_points_on(name):
    for points in range(40):
        t, y = np.arange(1.0, points + 1), np.random.default_rng(points).random(points)
        value = METRICS[name].function(t, y)
        assert np.isnan(value) == (points < FEWEST[name]), points
        assert np.shape(METRICS[name].function(t, np.stack([y, y]))) == (2,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", METRICS)
def test_diverged_runs_are_undefined(name, bad):
    y = np.random.default_rng(0).random((2, 100))
    y[0, 95] = bad
    values = METRICS[name].function(np.arange(1.0, 101), y)
    np.testing.assert_array_equal(np.isnan(values), [True, False])


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.total_variation(1.0),
        lambda: metrics.turning_rate([0, 1, 2], -0.1),
        lambda: metrics.cvar([0.0], 0.0, "lower"),
        lambda: metrics.cvar([0.0], 1.1, "lower"),
        lambda: metrics.cvar([0.0], 0.5, "left"),  # pyright: ignore[reportArgumentType]
        lambda: metrics.retention([0.0], 0),
        lambda: metrics.residual_std([0, 1, 1], [0, 1, 2], 1),
        lambda: metrics.residual_std([0, 1], [0, 1, 2], 1),
        lambda: metrics.residual_std([0, 1, np.nan], [0, 1, 2], 1),
        lambda: metrics.detrend([0, 1, 2], [0, 1, 2], -1),
        lambda: metrics.high_frequency_share([0, 1, 2], [0, 1, 2], 0.0),
        lambda: metrics.late_window([1, 2], 0.0),
        lambda: metrics.late_window([1, 2], 0.3, -1),
    ],
)
def test_mistakes_are_refused(call):
    with pytest.raises(ValueError, match=r"\w"):
        call()
