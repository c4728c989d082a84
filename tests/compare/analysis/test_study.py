"""From arms to a comparison: what runs count, what is paired with what, and what the reader is told."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import handmade
import numpy as np
import pytest

from rl_decay.compare.analysis import statistics as stats
from rl_decay.compare.analysis import study
from rl_decay.compare.analysis.arms import choose_baseline
from rl_decay.compare.model import ENDPOINTS, Arm, Estimate
from rl_decay.errors import UserError

NAN = math.nan


def compare(arms):
    return study.compare(arms, choose_baseline(arms, None))


def run(seed, final=1.0, osc=0.1, task="CartPole-v1", curve="none", **changes):
    """A finished run whose curve is its final score at 100 and 200 env steps."""
    values = {
        "folder": Path(f"{task}-{curve}-{seed}"),
        "task": task,
        "seed": seed,
        "scores": np.array([final, final]),
        "constant": curve == "none",
        "metrics": {"osc_late": osc, "final": final} | changes.pop("metrics", {}),
    }
    return handmade.run(**(values | changes))


def diverged(seed, **changes):
    changes = {"final": NAN, "osc": NAN, "steps": np.array([100.0]), "scores": np.array([0.8])} | changes
    return run(seed, status="diverged", **changes)


def arm(name, *runs):
    return Arm(name, tuple(replace(run, constant=name == "none") for run in runs), {"schedule": name})


def numbers(estimate):
    return estimate.value, estimate.low, estimate.high


def test_by_hand():
    none = arm("none", *(run(s, final=x, osc=0.095) for s, x in enumerate([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])))
    linear = arm("linear", *(run(s, final=x, osc=0.045) for s, x in enumerate([0.2, 0.4, 0.6, 0.8, 1.0, 0.6])))
    comparison = compare([linear, none])
    assert (comparison.baseline, comparison.unit, comparison.tasks) == ("none", "score", ("CartPole-v1",))
    # a quarter of six: one at either end is cut
    assert comparison.estimates["none"]["final"].value == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4)
    assert comparison.estimates["linear"]["final"].value == pytest.approx((0.4 + 0.6 + 0.6 + 0.8) / 4)
    osc, final = comparison.contrasts
    assert [(test.arm, test.endpoint, test.pairs) for test in (osc, final)] == [
        ("linear", "osc_late", 6),
        ("linear", "final", 6),
    ]
    # log((0.045 + 0.005) / (0.095 + 0.005)) = log(1/2) in every pair; six equal differences: p = 2 / 2^6
    assert numbers(osc.effect) == pytest.approx((math.log(0.5),) * 3)
    assert (osc.p, osc.p_holm) == (2 / 64, 4 / 64)
    assert numbers(osc.improvement) == (1, 1, 1)  # less oscillation is better
    assert math.isnan(osc.detectable) and math.isnan(osc.correlation)  # no spread
    # d = 0.1 0.2 0.3 0.4 0.5 0: cut off 0 and 0.5, 1.0 / 4; five of one sign and a 0: p = 2 * 2 / 2^6
    assert final.effect.value == pytest.approx(0.25)
    assert (final.p, final.p_holm) == (4 / 64, 4 / 64)
    # pairs of runs in which linear is above none: 1 of 6 for 0.2, 3, 5, 6, 6, 5; ties 0.2, 0.4 and twice 0.6
    assert final.improvement.value == pytest.approx((26 + 4 / 2) / 36)
    # SD of d: mean 0.25, squares 0.0225 0.0025 0.0025 0.0225 0.0625 0.0625 = 0.175; sqrt(0.175 / 5) = 0.18708
    # t[5] quantiles 2.5706 + 0.9195 = 3.4901; 3.4901 * 0.18708 / sqrt(6) = 0.26656
    assert final.detectable == pytest.approx(0.26656, abs=1e-4)
    # none -2.5 ... 2.5 and linear -4 -2 0 2 4 0 around their means, in tenths: 10 + 3 + 0 + 1 + 6 + 0 = 20
    # over sqrt(17.5 * 40) = 26.4575
    assert final.correlation == pytest.approx(20 / 26.4575, abs=1e-4)
    assert comparison.notes == ()


def test_how_the_arms_differ():
    comparison = compare([arm("none", *map(run, range(6))), arm("linear", *map(run, range(6)))])
    assert comparison.differences == {"schedule": {"none": "none", "linear": "linear"}}
    assert [a.name for a in comparison.arms] == ["none", "linear"]


def test_same_numbers_twice_and_beside_other_arms():
    scores = np.random.default_rng(0).normal(size=(4, 25))
    none, linear, other, far = (
        arm(name, *(run(s, final=x, osc=abs(x)) for s, x in enumerate(row)))
        for name, row in zip(("none", "linear", "other", "far"), scores)
    )
    few, many = compare([none, linear]), compare([far, none, other, linear])
    assert few.estimates["linear"] == many.estimates["linear"]
    np.testing.assert_array_equal(few.curves["linear"], many.curves["linear"])
    both = [[replace(t, p_holm=0) for t in c.contrasts if t.arm == "linear"] for c in (few, many)]
    assert both[0] == both[1]


def test_holm_takes_the_family_of_all_arms_and_endpoints():
    none = arm("none", *map(run, range(8)))
    better = [arm(name, *(run(s, final=1.5 + s / 10) for s in range(8))) for name in ("a", "b", "c")]
    comparison = compare([none, *better])
    # three arms, two endpoints; osc_late does not differ (p = 1), final has 2 / 2^8 three times: all of them times 6
    assert [test.p for test in comparison.contrasts] == [1, 2 / 256] * 3
    assert [test.p_holm for test in comparison.contrasts] == pytest.approx([1, 12 / 256] * 3)


class TestBaseline:
    def names(self, *names, wanted=None):
        return choose_baseline([arm(name, *map(run, range(2))) for name in names], wanted)

    def test_without_schedules_else_first_by_name(self):
        assert self.names("linear", "none", "aaa") == "none"
        assert self.names("linear", "cosine") == "cosine"
        assert self.names("linear", "none", wanted="linear") == "linear"

    def test_unknown(self):
        with pytest.raises(UserError, match="'x': no such arm; the arms are 'none', 'linear'"):
            self.names("none", "linear", wanted="x")

    def test_an_arm_whose_rates_move_is_no_baseline(self):
        moving = Arm("half", (run(0, constant=False),), {})
        assert choose_baseline([moving, Arm("whole", (run(0),), {})], None) == "whole"

    def test_no_runs(self):
        with pytest.raises(UserError, match="no run to compare"):
            choose_baseline([], None)


class TestDiverged:
    def test_counts_with_the_worst(self):
        extra = {"turning_rate": 0.1, "auc": 0.7, "von_neumann_ratio": 2.0, "steps_to_0.8": 50.0}
        none = arm("none", *(run(s, metrics=extra) for s in range(6)))
        worse = {"turning_rate": 0.4, "auc": -0.2, "von_neumann_ratio": 3.0, "steps_to_0.8": 150.0}
        nothing = dict.fromkeys(extra, NAN)
        linear = arm("linear", *(run(s, metrics=worse) for s in range(5)), diverged(5, metrics=nothing))
        comparison = compare([none, linear])
        counted = comparison.arms[1].runs[5].metrics
        assert {name: counted[name] for name in ("final", "osc_late", "turning_rate", "auc", "steps_to_0.8")} == {
            "final": 0.0,
            "osc_late": 0.5,
            "turning_rate": 0.4,
            "auc": -0.2,
            "steps_to_0.8": 200.0,  # it never scored 0.8: its whole budget
        }
        assert math.isnan(counted["von_neumann_ratio"])  # neither more nor less is better
        assert [test.pairs for test in comparison.contrasts] == [6, 6]
        assert "linear: 1 of 6 runs diverged (seed 5), counted with final 0, osc_late 0.5" in comparison.notes[0]
        assert any(
            note.startswith("von_neumann_ratio is undefined in 1 of 6 runs of linear") for note in comparison.notes
        )
        # compared once more, nothing changes
        assert compare(comparison.arms).contrasts[0].effect == comparison.contrasts[0].effect

    def test_it_stays_in_the_mean_curve(self):
        _, mean, _, _ = compare([arm("none", run(0), diverged(1))]).curves["none"]
        assert list(mean) == [0.9, 0.5]  # (1 + 0.8) / 2, then (1 + 0) / 2

    def test_in_raw_returns_the_worst_seen_on_the_task(self):
        none = arm("none", run(0, final=-100, unit="return"), run(1, final=-300, osc=40.0, unit="return"))
        other = arm("linear", run(0, final=-50, unit="return"), diverged(1, unit="return"))
        metrics = compare([none, other]).arms[1].runs[1].metrics
        assert (metrics["final"], metrics["osc_late"]) == (-300, 40)

    def test_everything_diverged(self):
        comparison = compare([arm(name, *map(diverged, range(6))) for name in ("none", "linear")])
        assert numbers(comparison.estimates["none"]["final"]) == (0, 0, 0)
        assert numbers(comparison.estimates["none"]["osc_late"]) == (0.5, 0.5, 0.5)
        assert [test.p for test in comparison.contrasts] == [1, 1]
        returns = compare([arm("none", *(diverged(s, unit="return") for s in range(2)))])
        assert math.isnan(returns.estimates["none"]["final"].value)
        assert "final is undefined in every run: no estimate, no test" in returns.notes

    def test_what_no_run_defines_stays_undefined(self):
        short = [arm(name, *(run(s, osc=NAN) for s in range(6)), diverged(6)) for name in ("none", "linear")]
        comparison = compare(short)
        assert math.isnan(comparison.estimates["none"]["osc_late"].value)
        assert comparison.contrasts[0].pairs == 0
        assert comparison.contrasts[1].pairs == 7
        assert "osc_late is undefined in every run: no estimate, no test" in comparison.notes


class TestPairing:
    def test_seeds_without_partner(self):
        comparison = compare([arm("none", *map(run, range(7))), arm("linear", *map(run, range(1, 9)))])
        assert {test.pairs for test in comparison.contrasts} == {6}
        assert "seeds 7, 8 of linear without partner in none: not in the differences" in comparison.notes
        assert "seed 0 of none without partner in linear: not in the differences" in comparison.notes

    @pytest.mark.parametrize(("pairs", "least"), [(1, "1"), (2, "0.5"), (4, "0.125"), (5, "0.0625")])
    def test_too_few_pairs(self, pairs, least):
        comparison = compare([arm("none", *map(run, range(pairs))), arm("linear", *map(run, range(pairs)))])
        plural = "s" * (pairs > 1)
        note = f"linear has {pairs} pair{plural} with none: no p can fall below {least} (0.05 needs 6)"
        assert note in comparison.notes

    def test_no_common_seed(self):
        comparison = compare([arm("none", run(0), run(1)), arm("linear", run(2), run(3))])
        assert "linear has 0 pairs with none: no difference, no p" in comparison.notes
        test = comparison.contrasts[1]
        assert test.pairs == 0 and all(map(math.isnan, (*numbers(test.effect), test.p, test.p_holm, test.correlation)))
        assert test.improvement == Estimate(0.5, 0.5, 0.5)  # which needs no partners

    def test_one_seed(self):
        comparison = compare([arm("none", run(0)), arm("linear", run(0, final=0.5))])
        assert numbers(comparison.estimates["linear"]["final"]) == pytest.approx((0.5, NAN, NAN), nan_ok=True)
        assert numbers(comparison.contrasts[1].effect) == pytest.approx((-0.5, NAN, NAN), nan_ok=True)
        assert "linear has one seed: no interval" in comparison.notes
        assert np.isnan(comparison.curves["linear"][2]).all()

    def test_two_arms_that_agree(self):
        flat = [arm(name, *(run(s, osc=0.0) for s in range(8))) for name in ("none", "linear")]
        comparison = compare(flat)
        osc = comparison.contrasts[0]
        assert (numbers(osc.effect), osc.p) == ((0, 0, 0), 1)
        assert "linear and none agree in osc_late in all 8 pairs" in comparison.notes

    def test_one_arm(self):
        comparison = compare([arm("linear", *map(run, range(6)))])
        assert comparison.contrasts == comparison.exploratory == ()
        assert comparison.notes == ("linear is the only arm: there is nothing to compare it with",)


class TestTasks:
    def arms(self):
        tasks = {"CartPole-v1": 0.0, "Acrobot-v1": 10.0}
        return [
            arm(name, *(run(s, final=level + gain + s, task=task) for task, level in tasks.items() for s in range(4)))
            for name, gain in (("none", 0), ("linear", 0.5))
        ]

    def test_pairs_are_of_one_task(self):
        comparison = compare(self.arms())
        final = comparison.contrasts[1]
        assert comparison.tasks == ("Acrobot-v1", "CartPole-v1")
        assert final.pairs == 8
        assert numbers(final.effect) == pytest.approx((0.5, 0.5, 0.5))
        assert final.p == 2 / 2**8
        # linear 0.5 1.5 2.5 3.5 against 0 1 2 3, within each task: (1 + 2 + 3 + 4) / 16
        assert final.improvement.value == 10 / 16

    def test_tasks_are_strata(self):
        comparison = compare(self.arms())
        values = np.arange(4.0)
        expected = stats.iqm_interval([values + 10, values], np.random.default_rng(0))
        assert comparison.estimates["none"]["final"] == expected

    def test_a_task_that_an_arm_lacks(self):
        none, linear = self.arms()
        comparison = compare([none, replace(linear, runs=linear.runs[:5])])  # four of CartPole, one of Acrobot
        assert "linear has one seed on Acrobot-v1: no interval" in comparison.notes
        comparison = compare([none, replace(linear, runs=linear.runs[:4])])
        assert "linear has no run on Acrobot-v1" in comparison.notes
        assert any("seeds 0, 1, 2, 3 of none without partner" in note for note in comparison.notes)
        assert comparison.contrasts[1].improvement.value == 10 / 16  # over the task that both have

    def test_units_do_not_mix(self):
        arms = [arm("none", run(0), run(0, task="Ant-v9", unit="return"))]
        with pytest.raises(UserError, match="unit: Ant-v9 in returns, CartPole-v1 in scores cannot be averaged"):
            compare(arms)

    def test_raw_returns_get_a_note(self):
        comparison = compare([arm("none", *(run(s, unit="return") for s in range(2)))])
        assert comparison.unit == "return"
        assert any("0.005" in note for note in comparison.notes)


class TestMetrics:
    def test_every_metric_is_estimated_and_explored(self):
        metrics = {"retention": 0.9, "turning_rate": 0.2}
        arms = [arm(name, *(run(s, metrics=metrics) for s in range(6))) for name in ("none", "linear")]
        comparison = compare(arms)
        assert tuple(comparison.estimates["none"]) == (*ENDPOINTS, "retention", "turning_rate")
        assert [test.endpoint for test in comparison.exploratory] == ["retention", "turning_rate"]
        assert all(math.isnan(test.p_holm) and test.p == 1 for test in comparison.exploratory)

    def test_better_may_be_less_more_or_neither(self):
        def make(name, value):
            metrics = dict.fromkeys(("retention", "turning_rate", "von_neumann_ratio"), value)
            return arm(name, *(run(s, metrics=metrics) for s in range(3)))

        comparison = compare([make("none", 0.1), make("linear", 0.9)])
        better = {test.endpoint: test.improvement.value for test in comparison.exploratory}
        assert better == pytest.approx({"retention": 1, "turning_rate": 0, "von_neumann_ratio": NAN}, nan_ok=True)

    def test_undefined_in_some_runs(self):
        flat = [run(s, metrics={"von_neumann_ratio": NAN if s < 2 else float(s)}) for s in range(6)]
        comparison = compare([arm("none", *flat), arm("linear", *flat[1:])])
        assert comparison.estimates["none"]["von_neumann_ratio"].value == 3.5  # 2 3 4 5: (3 + 4) / 2
        assert comparison.exploratory[0].pairs == 4
        note = "von_neumann_ratio is undefined in 2 of 6 runs of none, 1 of 5 runs of linear: "
        assert any(line.startswith(note) for line in comparison.notes)

    def test_what_never_scored_needs_its_whole_budget(self):
        runs = [run(s, metrics={"steps_to_0.8": x}) for s, x in enumerate([50.0, 60.0, NAN])]
        assert compare([arm("none", *runs)]).estimates["none"]["steps_to_0.8"].value == (50 + 60 + 200) / 3

    def test_collapse_is_a_share_of_runs(self):
        # the interquartile mean of one collapse in five would be 0
        runs = [run(s, metrics={"collapse": float(s == 0)}) for s in range(5)]
        estimate = compare([arm("none", *runs)]).estimates["none"]["collapse"]
        assert (estimate.value, estimate.low) == (0.2, 0)

    def test_runs_of_training_returns_have_no_osc_late(self):
        foreign = arm("cleanrl", *(run(s, osc=NAN, source="cleanrl", kind="training") for s in range(6)))
        comparison = compare([arm("none", *map(run, range(6))), foreign])
        assert math.isnan(comparison.estimates["cleanrl"]["osc_late"].value)
        assert [test.pairs for test in comparison.contrasts] == [0, 6]
        assert "cleanrl has 0 pairs with none in osc_late: no difference, no p" in comparison.notes


class TestAcrossRuns:
    def test_by_hand(self):
        # late window of 200 steps: (140, 200], so the second point; scores 0, 1, 2, 3 have quartiles 0.75 and 2.25.
        # The worst 5 % of four runs are a fifth of the worst one.
        across = compare([arm("none", *(run(s, final=float(s)) for s in range(4)))]).across["none"]
        assert across == {"dispersion_across_runs": 1.5, "risk_across_runs": 0.0}

    def test_one_run_is_no_spread(self):
        assert all(map(math.isnan, compare([arm("none", run(0))]).across["none"].values()))

    def test_a_diverged_run_counts_as_0(self):
        # late scores 1, 1, 1, 0 and finals the same: quartiles 0.75 and 1
        across = compare([arm("none", run(0), run(1), run(2), diverged(3))]).across["none"]
        assert across == {"dispersion_across_runs": 0.25, "risk_across_runs": 0.0}

    def test_tasks_count_alike(self):
        runs = [run(0, final=0.0), run(1, final=1.0), run(0, task="Acrobot-v1"), run(1, task="Acrobot-v1")]
        # quartiles 0.25 and 0.75 on one task, none on the other; the worst run scores 0 and 1
        assert compare([arm("none", *runs)]).across["none"] == {
            "dispersion_across_runs": 0.25,
            "risk_across_runs": 0.5,
        }


class TestCurves:
    def test_mean_and_band(self):
        curves = compare([arm("none", run(0, final=0.0), run(1, final=1.0))]).curves
        np.testing.assert_allclose(curves["none"], [[100, 200], [0.5, 0.5], [0, 0], [1, 1]])


def test_without_torch_and_hydra():
    code = (
        "import sys, rl_decay.compare.analysis.study\n"
        "sys.exit(bool({'torch', 'hydra', 'omegaconf', 'scipy'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
