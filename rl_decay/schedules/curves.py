"""The curves: pure functions from the progress of training to a factor of a base value.

    lr(t) = lr * schedule(progress(t, num_iterations))

Progress is clamped to [0, 1], so no curve ever passes its last value. Every value is a closed form of the progress,
never an accumulation: there is no state, nothing drifts, and nothing needs a checkpoint.
"""

from __future__ import annotations

import inspect
import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rl_decay.plain import number

Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """A schedule that knows its name and knobs, so that it can be printed, compared, saved and pickled."""

    name: str
    knobs: Mapping[str, Any] = field(hash=False)
    factor: Schedule = field(compare=False, repr=False)

    def __call__(self, p: float) -> float:
        """The factor at progress p."""
        return self.factor(p)

    def __reduce__(self) -> tuple[Callable[..., Curve], tuple[Any, ...]]:
        # The factors below are local functions, which cannot be pickled: name and knobs make the same curve again.
        if self.name in _makers():
            return _rebuilt, (self.name, dict(self.knobs))
        return Curve, (self.name, dict(self.knobs), self.factor)


def constant(value: float = 1.0) -> Curve:
    """The same factor throughout.

    >>> constant(0.5)(0.0), constant(0.5)(1.0)
    (0.5, 0.5)
    """
    return Curve("constant", _checked(value=value), linear(value, value))


def join(schedules: Sequence[Schedule], boundaries: Sequence[float]) -> Curve:
    """One schedule after another, changing at the boundaries; each sees its own progress, 0 to 1, over its own stretch.

    A boundary belongs to the stretch that it opens, progress 1 to the stretch that it closes, and a stretch of length
    zero is never seen. ValueError unless there is one boundary between each two schedules, ascending within [0, 1].

    >>> up_and_down = join([linear(0, 1), constant(1), linear(1, 0)], [0.25, 0.75])
    >>> [up_and_down(p) for p in (0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0)]
    [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]
    """
    schedules = tuple(schedules)  # a list could change later
    edges = [0.0, *map(float, boundaries), 1.0]
    if len(edges) != len(schedules) + 1 or not all(left <= right for left, right in pairwise(edges)):
        raise ValueError(f"{len(schedules)} schedules need ascending boundaries between them in [0, 1]: {boundaries}")
    inner = edges[1:-1]

    def at(p: float) -> float:
        p = _clamp(p)
        piece = bisect_right(inner, p) if p < 1.0 else bisect_left(inner, p)  # p = 1 belongs to the left
        left, right = edges[piece], edges[piece + 1]
        return schedules[piece]((p - left) / (right - left))

    return Curve("join", {"schedules": schedules, "boundaries": inner}, at)


def none() -> Curve:
    """No decay: the factor is 1 throughout.

    >>> none()(0.0), none()(1.0)
    (1.0, 1.0)
    """
    return Curve("none", {}, constant(1.0))


def linear(start: float = 1.0, final: float = 0.0) -> Curve:
    """A straight line: start - (start - final) * p, exactly `start` at p = 0 and exactly `final` at p = 1.
    Source: PPO's annealed step size, Schulman et al. 2017 (arXiv:1707.06347), table 5, with an end of one's choice.

    >>> decay = linear(final=0.1)
    >>> [decay(p) for p in (-1.0, 0.0, 0.5, 1.0, 2.0)]
    [1.0, 1.0, 0.55, 0.1, 0.1]
    """
    start, final = _checked(start=start, final=final).values()
    low, high = sorted((start, final))

    def at(p: float) -> float:  # rounding can make the formula pass `final`, and miss it at the end
        return final if p >= 1.0 else min(max(start - (start - final) * _clamp(p), low), high)

    return Curve("linear", {"start": start, "final": final}, at)


def linear_warmup(warmup: float = 0.1, start: float = 1.0, final: float = 0.0) -> Curve:
    """A straight line from `start` to 1 while p < warmup (at start = 1: held at 1), then one from 1 to `final`:

    1 - (1 - final) * (p - warmup) / (1 - warmup)   for p >= warmup. At warmup = 1 the decay is never reached.

    >>> held = linear_warmup(warmup=0.5)
    >>> [held(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [1.0, 1.0, 1.0, 0.5, 0.0]
    >>> ramped = linear_warmup(warmup=0.5, start=0.0, final=0.5)
    >>> [ramped(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    [0.0, 0.5, 1.0, 0.75, 0.5]
    >>> linear_warmup(warmup=0.0)(0.0), linear_warmup(warmup=1.0)(1.0)
    (1.0, 1.0)
    """
    checked = _checked(warmup=warmup, start=start, final=final)
    return Curve("linear_warmup", checked, join([linear(start, 1.0), linear(1.0, final)], [warmup]))


CURVES: dict[str, Callable[..., Curve]] = {"none": none, "linear": linear, "linear_warmup": linear_warmup}


def knobs(name: str) -> tuple[str, ...]:
    """The names of a curve's knobs; KeyError if there is no such curve.

    >>> knobs("none"), knobs("linear_warmup")
    ((), ('warmup', 'start', 'final'))
    """
    return tuple(inspect.signature(CURVES[name]).parameters)


def describe(schedule: Schedule) -> dict[str, object]:
    """Name and knobs of a schedule as plain values; of a function that is no Curve, its qualified name alone."""
    if not isinstance(schedule, Curve):
        return {"curve": getattr(schedule, "__qualname__", type(schedule).__qualname__)}
    described = {"curve": schedule.name, **schedule.knobs}
    if schedule.name == "join":
        described["schedules"] = [describe(part) for part in schedule.knobs["schedules"]]
    return described


def progress(iteration: int, num_iterations: int, inclusive: bool = False) -> float:
    """The share of training that is done when an iteration begins: t / T, or t / max(T - 1, 1) if inclusive.

    Inclusive, the last iteration sees progress 1 and so uses a curve's last value exactly. ValueError if T < 1.

    >>> [progress(t, 4) for t in range(5)], [progress(t, 3, inclusive=True) for t in range(4)]
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    if num_iterations < 1:
        raise ValueError(f"num_iterations must be at least 1, got {num_iterations}")
    return _clamp(iteration / (max(num_iterations - 1, 1) if inclusive else num_iterations))


def _makers() -> dict[str, Callable[..., Curve]]:
    return {**CURVES, "constant": constant, "join": join}


def _rebuilt(name: str, knobs: Mapping[str, Any]) -> Curve:
    return _makers()[name](**knobs)


def _clamp(p: float) -> float:
    return min(max(p, 0.0), 1.0)


def _checked(**values: float) -> dict[str, float]:
    """The knobs as plain floats; ValueError if one is not finite or out of its range."""
    checked = {}
    for knob, value in values.items():
        most, allowed = (1.0, "[0, 1]") if knob == "warmup" else (math.inf, "[0, inf)")
        factor = number(value)
        if factor is None or not (0.0 <= factor <= most and math.isfinite(factor)):
            raise ValueError(f"{knob} must lie in {allowed}, got {value}")
        checked[knob] = factor
    return checked
