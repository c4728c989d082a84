"""Numbers into words: what a contrast says, and what it leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rl_decay.compare.analysis.paired_tests import FEWEST_PAIRS
from rl_decay.compare.analysis.statistics import OSC_FLOOR
from rl_decay.compare.model import Comparison, Contrast, Estimate

LEVEL = 0.05  # a p of at most this, after Holm's correction, is a finding
TINY = 0.001  # smaller p-values are written as "< 0.001"
SAME = 0.02  # score: the equivalence margin, below which a difference of the final score does not matter


def verdict(comparison: Comparison, arm: str) -> str:
    """One sentence about an arm: of the baseline its level, of another one its differences from the baseline."""
    if arm == comparison.baseline:
        return _baseline_levels(comparison)
    tests = {test.endpoint: test for test in comparison.contrasts if test.arm == arm}
    pairs = max((test.pairs for test in tests.values()), default=0)
    if not pairs:
        return f"shares no seed with {comparison.baseline}, so there is no difference to tell."
    ordered = [tests[endpoint] for endpoint in ("osc_late", "final") if endpoint in tests]
    if pairs < FEWEST_PAIRS:
        text = ", ".join(_estimated(test, comparison) for test in ordered)
        return f"{text}; {pairs} pair{'s' * (pairs > 1)} cannot tell: below {FEWEST_PAIRS} no p can fall under {LEVEL}."
    findings = "; ".join(_finding(test, comparison) for test in ordered)
    return f"{findings}{_missed(ordered, comparison)}."


def number(x: float) -> str:
    """Three digits, plain where that is readable; "-" for NaN."""
    if math.isnan(x):
        return "-"
    if 1000 <= abs(x) < 1e9:
        return f"{x:,.0f}"
    return f"{x + 0.0:.3g}"  # + 0.0: no "-0"


def signed(x: float) -> str:
    """A difference with its sign, in two digits; "-" for NaN."""
    if math.isnan(x):
        return "-"
    if x == 0:
        return "0"
    return f"{x:+,.0f}" if 100 <= abs(x) < 1e9 else f"{x:+.2g}"


def interval(e: Estimate) -> str:
    """An estimate and its interval; without one (one seed) the estimate alone."""
    if math.isnan(e.low):
        return number(e.value)
    return f"{number(e.value)} [{number(e.low)}, {number(e.high)}]"


def difference(test: Contrast) -> str:
    """A contrast's effect and interval for a table: of osc_late in percent, else in its unit."""
    show = percent if test.endpoint == "osc_late" else signed
    effect = test.effect
    if math.isnan(effect.low):
        return show(effect.value)
    return f"{show(effect.value)} [{show(effect.low)}, {show(effect.high)}]"


def percent(effect: float) -> str:
    """A log ratio as a change, 100 (exp(e) - 1) %: -62%, +40%, 0%; "-" for NaN."""
    if math.isnan(effect):
        return "-"
    change = 100 * math.expm1(min(effect, 20.0))  # exp overflows above 709, and no one reads that many digits
    return f"{change:+,.0f}%" if abs(change) >= 0.5 else "0%"


def smallest(test: Contrast) -> str:
    """The effect that a test could have found: of osc_late the decrease in percent, else in its unit; "-" for NaN."""
    return _size(-test.detectable, test.endpoint) or "-"


def p_value(p: float) -> str:
    """A p-value with two digits."""
    if math.isnan(p):
        return "-"
    return f"< {TINY}" if p < TINY else f"{p:.2g}"


def _baseline_levels(comparison: Comparison) -> str:
    estimates = comparison.estimates[comparison.baseline]
    parts = []
    for metric, name in (("final", f"final {comparison.unit}"), ("osc_late", "late oscillation")):
        estimate = estimates.get(metric)
        if estimate is not None and not math.isnan(estimate.value):
            parts.append(f"{name} {interval(estimate)}")
    return f"the baseline: {', '.join(parts)}."


def _finding(test: Contrast, comparison: Comparison) -> str:
    """What a test says, in decreasing order of certainty: a finding, equivalence, a hint, nothing."""
    name = _name(test, comparison)
    effect = test.effect
    if math.isnan(effect.value):
        return f"{name} undefined"
    if effect.low == effect.high == 0 and test.p == 1:
        level = comparison.estimates[test.arm][test.endpoint].value
        return f"no difference in {name}: {number(level)} in both"
    p = f"p {'' if test.p_holm < TINY else '= '}{p_value(test.p_holm)} after Holm"
    rest = f"{_bounds(test)}, {p}"
    within = _within(test, comparison.unit)
    if test.p_holm <= LEVEL:
        # A certain difference may still be too small to matter.
        margin = f", within the margin of {SAME}" if within else ""
        return f"{name} {_compared(test, comparison)} ({rest}){margin}"
    if within:
        return f"{name} unchanged{within} ({_change(test)}, {rest})"
    # The interval is not corrected for the other tests: alone it proves nothing.
    if effect.low > 0 or effect.high < 0:
        return f"{name} {_compared(test, comparison)}, but not beyond doubt ({rest})"
    return f"no difference in {name} found ({_change(test)}, {rest})"


def _estimated(test: Contrast, comparison: Comparison) -> str:
    """The effect without a judgement, for too few pairs."""
    if math.isnan(test.effect.value):
        return f"{_name(test, comparison)} undefined"
    return f"{_name(test, comparison)} {_compared(test, comparison)} ({_bounds(test)})"


def _name(test: Contrast, comparison: Comparison) -> str:
    return "late oscillation" if test.endpoint == "osc_late" else f"final {comparison.unit}"


def _within(test: Contrast, unit: str) -> str:
    """The words " within x" if the whole interval of a final score lies inside the equivalence margin SAME, else ""."""
    largest = max(abs(test.effect.low), abs(test.effect.high))
    if test.endpoint != "final" or unit != "score" or not largest <= SAME:
        return ""
    return f" within {_size(largest, 'final')}"


def _change(test: Contrast) -> str:
    """The effect in words: 3% lower, 0.1 higher, no change."""
    effect = test.effect.value
    if math.isnan(effect):
        return "unknown"
    size = _size(effect, test.endpoint)
    if size in ("0", "0%"):
        return "no change"
    return f"{size} {'lower' if effect < 0 else 'higher'}"


def _compared(test: Contrast, comparison: Comparison) -> str:
    """The effect in words against the baseline; of tiny oscillations the levels too, which percents would hide."""
    baseline = comparison.baseline
    change = _change(test)
    if change == "no change":
        return f"the same as {baseline}"
    text = f"{change} than {baseline}"
    if test.endpoint == "osc_late":
        own = comparison.estimates[test.arm]["osc_late"].value
        other = comparison.estimates[baseline]["osc_late"].value
        if other < OSC_FLOOR:
            text += f" ({number(own)} against {number(other)}; in percent of oscillation + {OSC_FLOOR})"
    return text


def _size(effect: float, endpoint: str) -> str:
    """An effect without its direction."""
    shown = percent(effect) if endpoint == "osc_late" else signed(effect)
    return shown.strip("+-")


def _bounds(test: Contrast) -> str:
    """The interval in words; the bound that is nearer to "no change" comes first."""
    low, high = test.effect.low, test.effect.high
    if math.isnan(low):
        return "no interval"
    low_size = _size(low, test.endpoint)
    high_size = _size(high, test.endpoint)
    if low < 0 < high:
        return f"95% interval {low_size} lower to {high_size} higher"
    if low < 0:
        return f"95% interval {high_size.removesuffix('%')} to {low_size} lower"
    return f"95% interval {low_size.removesuffix('%')} to {high_size} higher"


def _missed(tests: Sequence[Contrast], comparison: Comparison) -> str:
    """The effects that the tests without a finding would often have missed; "" if there is no such test."""
    sizes = []
    pairs = []
    for test in tests:
        if test.detectable > 0 and test.p_holm > LEVEL and not _within(test, comparison.unit):
            pairs.append(test.pairs)
            if test.endpoint == "osc_late":
                sizes.append(f"a decrease of oscillation by less than {smallest(test)}")
            else:
                sizes.append(f"a difference of the {comparison.unit} below {smallest(test)}")
    if not sizes:
        return ""
    return f"; with {pairs[0]} pairs, {' and '.join(sizes)} would often have been missed"
