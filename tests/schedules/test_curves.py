"""The curves against arithmetic done by hand, against independently computed rates, and against their own laws."""

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rl_decay.schedules import CURVES, constant, describe, join, knobs, linear, linear_warmup, none, progress

factors = st.floats(0.0, 10.0)
shares = st.floats(0.0, 1.0)
anywhere = st.floats(-2.0, 3.0)


def for_all(**strategies):
    """`given` without a deadline: the machine may be busy."""
    return lambda test: settings(deadline=None)(given(**strategies)(test))


# Independently computed: N = 10 iterations from 1e-3 to 1e-4, in units of 1e-3, rounded to 10 places.
# The warm-up holds 3 iterations: 3/10 of the clock t/N, 3/9 of the clock t/(N-1).
A = [1.0, 0.91, 0.82, 0.73, 0.64, 0.55, 0.46, 0.37, 0.28, 0.19]
C = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
E = [1.0, 1.0, 1.0, 1.0, 0.85, 0.7, 0.55, 0.4, 0.25, 0.1]
F = [1.0, 1.0, 1.0, 1.0, 0.8714285714, 0.7428571429, 0.6142857143, 0.4857142857, 0.3571428571, 0.2285714286]


@pytest.mark.parametrize(
    ("curve", "inclusive", "expected"),
    [
        (linear(final=0.1), False, A),
        (linear(final=0.1), True, C),
        (linear_warmup(warmup=3 / 9, final=0.1), True, E),
        (linear_warmup(warmup=0.3, final=0.1), False, F),
    ],
    ids="ACEF",
)
def test_independently_computed_rates(curve, inclusive, expected):
    rates = [1e-3 * curve(progress(t, 10, inclusive)) for t in range(10)]
    assert rates == pytest.approx([1e-3 * rate for rate in expected], rel=1e-9)


@for_all(num_iterations=st.integers(1, 300), warmup=st.floats(0.0, 0.9), lr_initial=st.floats(1e-6, 1.0), final=shares)
def test_the_formula(num_iterations, warmup, lr_initial, final):
    lr_final, held_for = final * lr_initial, warmup * num_iterations  # held_for need not be whole
    straight, held = linear(final=final), linear_warmup(warmup, final=final)
    for t in range(num_iterations):
        p = progress(t, num_iterations)
        by_hand = lr_initial - (lr_initial - lr_final) * t / num_iterations
        assert lr_initial * straight(p) == pytest.approx(by_hand, abs=1e-13 * lr_initial)
        decayed = lr_initial - (lr_initial - lr_final) * (t - held_for) / (num_iterations - held_for)
        assert lr_initial * held(p) == pytest.approx(lr_initial if t < held_for else decayed, abs=1e-13 * lr_initial)


@for_all(start=factors, final=factors, p=anywhere, q=anywhere)
def test_linear_is_bounded_monotone_and_exact_at_both_ends(start, final, p, q):
    curve = linear(start, final)
    assert min(start, final) <= curve(p) <= max(start, final)
    assert (curve(max(p, q)) - curve(min(p, q))) * (final - start) >= 0.0
    assert curve(min(p, 0.0)) == start
    assert curve(max(p, 1.0)) == final


@for_all(warmup=shares, final=shares, p=anywhere, q=anywhere)
def test_warmup_holds_exactly_and_then_never_rises_nor_passes_final(warmup, final, p, q):
    curve = linear_warmup(warmup, final=final)
    assert final <= curve(max(p, q)) <= curve(min(p, q)) <= 1.0
    assert p > warmup or curve(p) == 1.0
    assert curve(1.0) == (1.0 if warmup == 1.0 else final)


@for_all(start=factors, warmup=st.floats(0.01, 0.99), share=shares, final=factors)
def test_another_start_ramps_to_one_and_then_decays(start, warmup, share, final):
    curve = linear_warmup(warmup, start, final)
    assert curve(0.0) == start
    assert curve(warmup) == 1.0
    assert curve(share * warmup) == pytest.approx(start + (1.0 - start) * share)
    assert curve(warmup + share * (1.0 - warmup)) == pytest.approx(1.0 + (final - 1.0) * share, abs=1e-12)


@for_all(final=factors, p=anywhere)
def test_the_limits_of_warmup(final, p):
    assert linear_warmup(0.0, final=final)(p) == linear(final=final)(p)
    assert linear_warmup(0.0, start=0.5, final=final)(p) == linear(final=final)(p)
    assert linear_warmup(1.0, final=final)(p) == none()(p) == 1.0


def test_join_skips_empty_stretches_and_keeps_the_last_one_at_the_end():
    joined = join([constant(1), constant(2), constant(3), constant(4)], [0.5, 0.5, 1.0])
    assert [joined(p) for p in (0.0, 0.49, 0.5, 0.99, 1.0, 2.0)] == [1.0, 1.0, 3.0, 3.0, 3.0, 3.0]
    assert join([linear()], [])(0.25) == 0.75


@for_all(num_iterations=st.integers(1, 100), beyond=st.integers(0, 5))
def test_the_two_clocks(num_iterations, beyond):
    for inclusive in (False, True):
        assert progress(-beyond, num_iterations, inclusive) == 0.0
        assert progress(num_iterations + beyond, num_iterations, inclusive) == 1.0
    assert progress(num_iterations - 1, num_iterations) < 1.0
    assert progress(num_iterations - 1, num_iterations, inclusive=True) == (0.0 if num_iterations == 1 else 1.0)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize(("name", "knob"), [(name, knob) for name in CURVES for knob in knobs(name)])
def test_a_bad_knob_is_named_with_its_value_and_range(name, knob, value):
    with pytest.raises(ValueError, match=rf"{knob} must lie in \[0, (1\]|inf\)), got {value}"):
        CURVES[name](**{knob: value})


def test_other_bad_values():
    with pytest.raises(ValueError, match=r"warmup must lie in \[0, 1\], got 1.5"):
        linear_warmup(warmup=1.5)
    with pytest.raises(ValueError, match="num_iterations must be at least 1, got 0"):
        progress(0, 0)
    for boundaries in ([], [0.2, 0.1], [-0.1], [1.1], [math.nan]):
        with pytest.raises(ValueError, match="2 schedules need ascending boundaries"):
            join([none(), none()], boundaries)


def test_curves_are_described_by_plain_values_and_equal_by_them():
    class Steep:
        def __call__(self, p: float) -> float:
            return (1.0 - p) ** 2

    assert describe(linear_warmup(0, 1, 0)) == {"curve": "linear_warmup", "warmup": 0.0, "start": 1.0, "final": 0.0}
    assert describe(join([linear(), Steep()], [0.5]))["schedules"] == [describe(linear()), describe(Steep())]
    assert describe(math.cos) == {"curve": "cos"}
    assert linear(final=0.1) == linear(1, 0.1) != linear(final=0.2)
    assert hash(linear(final=0.1)) == hash(linear(1, 0.1))
    assert knobs("none") == () and knobs("linear") == ("start", "final")


def test_the_curves_need_neither_torch_nor_numpy():
    script = "import sys, rl_decay.schedules; sys.exit(bool({'torch', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
