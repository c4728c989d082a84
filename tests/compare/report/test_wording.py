"""What the report says of a contrast, word for word."""

import math
from dataclasses import replace

import handmade
import pytest

from rl_decay.compare.model import Arm, Contrast, Estimate
from rl_decay.compare.report.wording import difference, interval, number, p_value, percent, signed, smallest, verdict

NAN = math.nan
# exp(-0.97) = 0.38, exp(-1.43) = 0.24, exp(-0.51) = 0.60: 62 % lower, from 76 to 40 %
CALMER = Contrast(
    "linear", "osc_late", 10, Estimate(-0.97, -1.43, -0.51), 0.002, 0.004, Estimate(0.9, 0.8, 1), 0.5, 0.1
)
SAME = Contrast("linear", "final", 10, Estimate(0.004, -0.003, 0.011), 0.4, 0.4, Estimate(0.6, 0.4, 0.8), 0.015, 0.1)


def compared(osc=CALMER, final=SAME, unit="score"):
    estimates = {
        "linear": {"final": Estimate(0.98, 0.97, 0.99), "osc_late": Estimate(0.02, 0.01, 0.03)},
        "none": {"final": Estimate(0.98, 0.97, 0.99), "osc_late": Estimate(0.05, NAN, NAN)},
    }
    arms = (Arm("linear", (), {}), Arm("none", (), {}))
    return handmade.comparison(arms=arms, unit=unit, estimates=estimates, contrasts=(osc, final))


def effect(test, value, low, high, p=1.0, **changes):
    return replace(test, effect=Estimate(value, low, high), p=p, p_holm=p, **changes)


def test_a_finding_and_a_score_that_did_not_move():
    assert verdict(compared(), "linear") == (
        "late oscillation 62% lower than none (95% interval 40 to 76% lower, p = 0.004 after Holm); final score "
        "unchanged within 0.011 (0.004 higher, 95% interval 0.003 lower to 0.011 higher, p = 0.4 after Holm)."
    )


def test_no_finding_says_what_would_have_been_missed():
    # exp(-0.5) = 0.61: a decrease by 39 % was within reach
    text = verdict(
        compared(effect(CALMER, -0.1, -0.6, 0.4, 0.31), effect(SAME, 0.01, -0.1, 0.1, detectable=0.15)), "linear"
    )
    assert text == (
        "no difference in late oscillation found (10% lower, 95% interval 45% lower to 49% higher, p = 0.31 after "
        "Holm); no difference in final score found (0.01 higher, 95% interval 0.1 lower to 0.1 higher, p = 1 after "
        "Holm); with 10 pairs, a decrease of oscillation by less than 39% and a difference of the score below 0.15 "
        "would often have been missed."
    )


def test_an_interval_apart_from_zero_is_no_proof_after_the_correction():
    text = verdict(compared(effect(CALMER, -0.3, -0.5, -0.1, 0.06)), "linear")
    assert text.startswith(
        "late oscillation 26% lower than none, but not beyond doubt (95% interval 10 to 39% lower, p"
    )
    assert "a decrease of oscillation by less than 39%" in text


def test_a_higher_oscillation_and_a_lower_score():
    text = verdict(compared(effect(CALMER, 0.5, 0.2, 0.8, 0.0004), effect(SAME, -0.2, -0.3, -0.1, 0.01)), "linear")
    assert text == (
        "late oscillation 65% higher than none (95% interval 22 to 123% higher, p < 0.001 after Holm); "
        "final score 0.2 lower than none (95% interval 0.1 to 0.3 lower, p = 0.01 after Holm)."
    )


def test_a_small_but_certain_difference_of_scores_is_called_small():
    text = verdict(compared(final=effect(SAME, 0.01, 0.004, 0.016, 0.01)), "linear")
    assert text.endswith(
        "final score 0.01 higher than none (95% interval 0.004 to 0.016 higher, p = 0.01 after Holm), within the "
        "margin of 0.02."
    )


def test_returns_have_no_margin_below_which_they_are_the_same():
    text = verdict(compared(final=effect(SAME, 0.004, -0.003, 0.011), unit="return"), "linear")
    assert "no difference in final return found (0.004 higher" in text


def test_equal_runs():
    text = verdict(compared(effect(CALMER, 0, 0, 0, detectable=NAN)), "linear")
    assert text.startswith("no difference in late oscillation: 0.02 in both; ")


def test_too_few_pairs_tell_nothing():
    osc, final = replace(CALMER, pairs=5), effect(SAME, 0.0, NAN, NAN, pairs=5)
    assert verdict(compared(osc, final), "linear") == (
        "late oscillation 62% lower than none (95% interval 40 to 76% lower), final score the same as none (no "
        "interval); 5 pairs cannot tell: below 6 no p can fall under 0.05."
    )


def test_no_pairs_and_no_oscillation():
    nothing = effect(CALMER, NAN, NAN, NAN, NAN, pairs=0, detectable=NAN)
    assert verdict(compared(nothing, replace(SAME, pairs=0)), "linear").startswith("shares no seed with none")
    assert verdict(compared(nothing), "linear").startswith("late oscillation undefined; final score unchanged")


def test_the_baseline_is_told_by_its_level():
    assert verdict(compared(), "none") == "the baseline: final score 0.98 [0.97, 0.99], late oscillation 0.05."


@pytest.mark.parametrize(
    ("x", "text"), [(0.97849, "0.978"), (-0.0, "0"), (12345.6, "12,346"), (-197.3, "-197"), (1e-5, "1e-05"), (NAN, "-")]
)
def test_numbers(x, text):
    assert number(x) == text


def test_differences_carry_their_sign():
    assert [signed(x) for x in (0.0456, -0.0456, 0.0, 1234.5, NAN)] == ["+0.046", "-0.046", "0", "+1,234", "-"]
    assert [percent(x) for x in (-0.97, math.log(1.4), 0.001, NAN)] == ["-62%", "+40%", "0%", "-"]
    assert difference(CALMER) == "-62% [-76%, -40%]"
    assert difference(SAME) == "+0.004 [-0.003, +0.011]"
    assert (smallest(CALMER), smallest(SAME), smallest(replace(SAME, detectable=NAN))) == ("39%", "0.015", "-")


def test_p_values_and_intervals():
    assert [p_value(p) for p in (0.0312, 1.0, 0.00099, NAN)] == ["0.031", "1", "< 0.001", "-"]
    assert (interval(Estimate(0.5, NAN, NAN)), interval(Estimate(NAN, NAN, NAN))) == ("0.5", "-")
