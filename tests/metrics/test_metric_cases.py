"""The metrics against values computed by an independent script; its curves, paths and results are in tests/data."""

import json
from pathlib import Path

import numpy as np
import pytest
import update_paths

from rl_decay import metrics

CASES = json.loads((Path(__file__).parents[1] / "data" / "metric_cases.json").read_text())
CURVES = CASES["curve_cases"]
PATHS = CASES["path_cases"]
PUBLISHED = CASES["reference_rl_reliability_metrics"]
H = CASES["reference_interval_h_env_steps"]


def curve(name):
    case = CURVES[name]
    return case["t_first"] + case["t_step"] * np.arange(case["n"]), np.array(case["y"])


def measured(t, y):
    """Every value of the file, under the file's names."""
    losses = metrics.drawdown(y)
    total, excess = metrics.total_variation(y), metrics.excess_total_variation(y)
    return {
        "n": len(y),
        "total_variation": total,
        "excess_tv": excess,
        "reversal_fraction": excess / total if total else 0.0,
        "max_drawdown": metrics.max_drawdown(y),
        "final_drawdown": losses[-1],
        "mean_drawdown": losses.mean(),
        "drawdown_cvar05": metrics.long_term_risk(y),
        "diff_iqr_h": metrics.dispersion_across_time(t, y, H),
        "diff_cvar05_h": metrics.short_term_risk(t, y, H),
        "flip_rate": metrics.turning_rate(y, 0.0),
        "flip_rate_deadband_0p05": metrics.turning_rate(y, 0.05),
        "resid_std": metrics.residual_std(t, y, 1),
        "resid_std_quad": metrics.residual_std(t, y, 2),
        "second_diff_std": metrics.second_difference_std(y),
        "succ_diff_std": metrics.successive_difference_std(y),
        "von_neumann": metrics.von_neumann_ratio(y),
        "von_neumann_detrended": metrics.von_neumann_ratio(metrics.detrend(t, y, 1)),
        "hf_power_10pct": metrics.high_frequency_share(t, y, 0.1),
        "retention_k10": metrics.retention(y, 10),
    }


@pytest.mark.parametrize("name", CURVES)
def test_curve(name):
    expected = {key: np.nan if value is None else value for key, value in CURVES[name]["expected"].items()}
    # The published percentile rule for tails is what `cvar` replaces; see the test of ties.
    del expected["diff_cvar05_h_percentile_rule"]
    if name == "C10_random_walk":
        # The file divides signed scores and gets -13; scores below 0 count as 0, and this walk ends below 0.
        expected["retention_k10"] = 0.0
    assert measured(*curve(name)) == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


def test_the_random_curves_are_what_their_notes_say():
    np.testing.assert_array_equal(curve("C09_white_noise")[1], np.random.default_rng(0).normal(0.5, 0.05, 2001))
    np.testing.assert_allclose(curve("C10_random_walk")[1], np.random.default_rng(1).normal(0, 0.01, 2001).cumsum())


@pytest.mark.parametrize("name", PATHS)
def test_path(name):
    theta = PATHS[name]["theta"]
    if isinstance(theta, str):  # the walk is too large for the file: 1000 points, 64 parameters
        theta = np.random.default_rng(2).standard_normal((1000, 64)).cumsum(axis=0)
    result = {
        "mean_cos": update_paths.update_cosines(theta).mean(),
        "frac_negative_cos": update_paths.negative_cosine_share(theta),
        "straightness": update_paths.straightness(theta),
        "path_length": update_paths.path_length(theta),
    }
    assert result == pytest.approx(PATHS[name]["expected"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_code_agrees_where_it_is_sound(name):
    t, y = curve(name)
    assert metrics.dispersion_across_time(t, y, H) == pytest.approx(
        PUBLISHED[name]["IqrWithinRuns_full_x_h"], abs=1e-12
    )
    assert metrics.max_drawdown(y) == pytest.approx(PUBLISHED[name]["MaxDrawdown"], abs=1e-12)


def test_published_defects_are_not_copied():
    t, collapse = curve("C07_step_collapse")
    # The lower tail of the drawdown sees no collapse; of the 5 largest of 101 drawdowns all are 0.8.
    assert PUBLISHED["C07_step_collapse"]["LowerCVaROnDrawdown05"] == 0
    assert metrics.long_term_risk(collapse) == pytest.approx(0.8)
    # 100 differences, 5 in the tail: one fall of 0.8 and four 0 -> -0.8/5; the percentile rule averages all 100.
    assert metrics.short_term_risk(t, collapse, H) == pytest.approx(-0.16)
    # Tied falls of 1: interpolating the percentile leaves no value below it.
    assert PUBLISHED["C08_sawtooth_period10"]["LowerCVaROnDiffs05_x_h"] is None
    assert metrics.short_term_risk(*curve("C08_sawtooth_period10"), H) == pytest.approx(-1.0)


RECIPES = {
    "sine": 0.5 + 0.1 * np.sin(2 * np.pi * np.arange(8001) / 1600),
    "white": np.random.default_rng(3).normal(0.5, 0.05, 8001),
    "walk": np.random.default_rng(4).normal(0.0, 0.01, 8001).cumsum(),
}


@pytest.mark.parametrize("name", RECIPES)
def test_evaluating_a_quarter_as_often(name):
    y = RECIPES[name]
    t = np.linspace(0, 1e6, y.size)
    often, seldom = measured(t, y), measured(t[::4], y[::4])
    expected = CASES["invariances"]["subsample_x4"][name]
    assert {key: seldom[key] / often[key] for key in expected} == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda t, y: (t, y + 3), "shift_plus3"),
        (lambda t, y: (t, 7 * y), "scale_x7"),
        (lambda t, y: (t, -y), "negate"),
        (lambda t, y: (10 * t, y), "time_x10"),
        (lambda t, y: (t, y + t / t[-1]), "add_trend_0_to_1"),
    ],
)
def test_invariances_of_the_sine(change, name):
    t, y = curve("C04_sine_period20")
    before, after = measured(t, y), measured(*change(t, y))
    expected = {key: value for key, value in CASES["invariances"][name].items() if value is not None and key in before}
    if name == "negate":
        del expected["retention_k10"]  # all scores below 0: undefined
    assert {key: after[key] / before[key] for key in expected} == pytest.approx(expected, abs=1e-6)
