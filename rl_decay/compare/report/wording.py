"""Numbers into words: what a contrast says, and what it leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rl_decay.compare.analysis.statistics import FEWEST_PAIRS, OSC_FLOOR
from rl_decay.compare.model import Comparison, Contrast, Estimate

LEVEL, TINY = 0.05, 0.001
SAME = 0.02  # score: a difference of the final score that counts as none


def verdict(comparison: Comparison, arm: str) -> str:
    """One sentence about an arm: of the baseline its level, of another one its differences from the baseline."""
    if arm == comparison.baseline:
        of = comparison.estimates[arm]
        parts = [(f"final {comparison.unit}", of.get("final")), ("late oscillation", of.get("osc_late"))]
        known = [f"{name} {interval(e)}" for name, e in parts if e is not None and not math.isnan(e.value)]
        return f"the baseline: {', '.join(known)}."
    tests = {test.endpoint: test for test in comparison.contrasts if test.arm == arm}
    pairs = max((test.pairs for test in tests.values()), default=0)
    if not pairs:
        return f"shares no seed with {comparison.baseline}, so there is no difference to tell."
    found = [tests[endpoint] for endpoint in ("osc_late", "final") if endpoint in tests]
    if pairs < FEWEST_PAIRS:
        text = ", ".join(_estimated(test, comparison) for test in found)
        return f"{text}; {pairs} pair{'s' * (pairs > 1)} cannot tell: below {FEWEST_PAIRS} no p can fall under {LEVEL}."
    return "; ".join(_finding(test, comparison) for test in found) + _missed(found, comparison) + "."


def number(x: float) -> str:
    """Three digits, plain where that is readable; "-" for NaN."""
    if math.isnan(x):
        return "-"
    return f"{x:,.0f}" if 1000 <= abs(x) < 1e9 else f"{x + 0.0:.3g}"


def signed(x: float) -> str:
    """A difference with its sign, in two digits; "-" for NaN."""
    if math.isnan(x):
        return "-"
    return "0" if x == 0 else f"{x:+,.0f}" if 100 <= abs(x) < 1e9 else f"{x:+.2g}"


def interval(e: Estimate) -> str:
    """An estimate and its interval; without one (one seed) the estimate alone."""
    return number(e.value) + ("" if math.isnan(e.low) else f" [{number(e.low)}, {number(e.high)}]")


def difference(test: Contrast) -> str:
    """A contrast's effect and interval for a table: of osc_late in percent, else in its unit."""
    show = percent if test.endpoint == "osc_late" else signed
    e = test.effect
    return show(e.value) + ("" if math.isnan(e.low) else f" [{show(e.low)}, {show(e.high)}]")


def percent(effect: float) -> str:
    """A log ratio as a change, 100 (exp(e) - 1) %: -62%, +40%, 0%; "-" for NaN."""
    if math.isnan(effect):
        return "-"
    change = 100 * math.expm1(min(effect, 20.0))
    return f"{change:+,.0f}%" if abs(change) >= 0.5 else "0%"


def smallest(test: Contrast) -> str:
    """The effect that a test could have found: of osc_late the decrease in percent, else in its unit; "-" for NaN."""
    return _size(-test.detectable, test.endpoint) or "-"


def p_value(p: float) -> str:
    """A p-value with two digits."""
    return "-" if math.isnan(p) else f"< {TINY}" if p < TINY else f"{p:.2g}"


def _finding(test: Contrast, comparison: Comparison) -> str:
    name, e = _name(test, comparison), test.effect
    if math.isnan(e.value):
        return f"{name} undefined"
    if e.low == e.high == 0 and test.p == 1:
        level = comparison.estimates[test.arm][test.endpoint].value
        return f"no difference in {name}: {number(level)} in both"
    p = f"p {'' if test.p_holm < TINY else '= '}{p_value(test.p_holm)} after Holm"
    change, rest = _change(test), f"{_bounds(test)}, {p}"
    within = _within(test, comparison.unit)
    if test.p_holm <= LEVEL:
        margin = f", within the margin of {SAME}" if within else ""
        return f"{name} {_compared(test, comparison)} ({rest}){margin}"
    if within:
        return f"{name} unchanged{within} ({change}, {rest})"
    if e.low > 0 or e.high < 0:
        return f"{name} {_compared(test, comparison)}, but not beyond doubt ({rest})"
    return f"no difference in {name} found ({change}, {rest})"


def _estimated(test: Contrast, comparison: Comparison) -> str:
    if math.isnan(test.effect.value):
        return f"{_name(test, comparison)} undefined"
    return f"{_name(test, comparison)} {_compared(test, comparison)} ({_bounds(test)})"


def _name(test: Contrast, comparison: Comparison) -> str:
    return "late oscillation" if test.endpoint == "osc_late" else f"final {comparison.unit}"


def _within(test: Contrast, unit: str) -> str:
    """The words "within x" where the whole interval of a difference of scores is one that does not matter."""
    largest = max(abs(test.effect.low), abs(test.effect.high))
    return (
        f" within {_size(largest, 'final')}" if test.endpoint == "final" and unit == "score" and largest <= SAME else ""
    )


def _change(test: Contrast) -> str:
    """The effect in words: 3% lower, 0.1 higher, no change."""
    effect = test.effect.value
    if math.isnan(effect):
        return "unknown"
    size = _size(effect, test.endpoint)
    return "no change" if size in ("0", "0%") else f"{size} {'lower' if effect < 0 else 'higher'}"


def _compared(test: Contrast, comparison: Comparison) -> str:
    change = _change(test)
    if change == "no change":
        return f"the same as {comparison.baseline}"
    levels = ""
    if test.endpoint == "osc_late" and comparison.estimates[comparison.baseline]["osc_late"].value < OSC_FLOOR:
        one, other = (comparison.estimates[arm]["osc_late"].value for arm in (test.arm, comparison.baseline))
        levels = f" ({number(one)} against {number(other)}; in percent of oscillation + {OSC_FLOOR})"
    return f"{change} than {comparison.baseline}{levels}"


def _size(effect: float, endpoint: str) -> str:
    """An effect without its direction."""
    return percent(effect).strip("+-") if endpoint == "osc_late" else signed(effect).strip("+-")


def _bounds(test: Contrast) -> str:
    low, high = test.effect.low, test.effect.high
    if math.isnan(low):
        return "no interval"
    ends = [_size(x, test.endpoint) for x in (low, high)]
    if low < 0 < high:
        return f"95% interval {ends[0]} lower to {ends[1]} higher"
    near, far, word = (ends[1], ends[0], "lower") if low < 0 else (*ends, "higher")
    return f"95% interval {near.removesuffix('%')} to {far} {word}"


def _missed(tests: Sequence[Contrast], comparison: Comparison) -> str:
    """What the tests without a finding could not have found."""
    open_ones = [
        test for test in tests if test.detectable > 0 and test.p_holm > LEVEL and not _within(test, comparison.unit)
    ]
    what = {
        "osc_late": "a decrease of oscillation by less than",
        "final": f"a difference of the {comparison.unit} below",
    }
    parts = [f"{what[test.endpoint]} {smallest(test)}" for test in open_ones]
    return f"; with {open_ones[0].pairs} pairs, {' and '.join(parts)} would often have been missed" if parts else ""
