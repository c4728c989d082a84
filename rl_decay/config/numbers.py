"""How large a number may be: whole numbers fit into 64 bits, all others into float32, where most of them end up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, shown
from rl_decay.types import GROUPS

LARGEST_WHOLE = 2**63 - 1
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127
MOST = {  # by the type of a key in the schema: the largest size, in numbers and words
    **dict.fromkeys((int, int | None, list[int]), (LARGEST_WHOLE, "2^63 - 1")),
    **dict.fromkeys((float, float | None), (LARGEST_FLOAT32, "3.4e38, float32's largest number")),
}


def check_sizes(config: Config) -> None:
    """UserError names the first number, of whatever key, that is too large for its type."""
    for key, value, kind in _typed(config):
        if kind in MOST and value is not None:
            most, words = MOST[kind]
            if any(abs(number) > most for number in (value if isinstance(value, list) else [value])):
                raise UserError(f"{key}={shown(value)}: must be at most {words}, in size")


def check_scheduled(config: Config) -> None:
    """UserError where a base value times a factor of its schedule, which is what training gets, is too large."""
    bases = {
        "actor": ("actor.lr", config.actor.lr),
        "critic": ("critic.lr", config.critic.lr),
        "clip": ("algo.clip", config.algo.clip),
        "entropy": ("algo.entropy_coef", config.algo.entropy_coef),
    }
    for role, curve in role_curves(config.schedule).items():
        key, base = bases[role]
        for knob in ("start", "final"):
            factor = curve.knobs.get(knob, 0.0)
            assert isinstance(factor, float)
            if base * factor > LARGEST_FLOAT32:
                shared = role in GROUPS and getattr(getattr(config.schedule, role), knob) is None
                owner = "schedule" if shared else f"schedule.{role}"
                raise UserError(f"{owner}.{knob}={factor}: times {key}={base} it must be at most {MOST[float][1]}")


def _typed(section: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (dotted key, value, type in the schema) of every leaf."""
    for f in fields(section):
        value = getattr(section, f.name)
        if is_dataclass(value):
            yield from _typed(value, f"{prefix}{f.name}.")
        else:
            yield prefix + f.name, value, f.type
