"""Schedules: how a value moves while training proceeds. Importing this costs nothing: no torch, no numpy.

`NamedGroupSchedule`, which needs torch, is imported from `rl_decay.schedules.lr_scheduler`.
"""

from rl_decay.schedules.curves import (
    CURVES,
    Curve,
    Schedule,
    constant,
    describe,
    join,
    knobs,
    linear,
    linear_warmup,
    none,
    progress,
)

__all__ = [
    "CURVES",
    "Curve",
    "Schedule",
    "constant",
    "describe",
    "join",
    "knobs",
    "linear",
    "linear_warmup",
    "none",
    "progress",
]
