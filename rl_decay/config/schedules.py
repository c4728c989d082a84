"""From the schedule section of a configuration to curves."""

from __future__ import annotations

from dataclasses import fields

from rl_decay.config.schema import Role, Schedule
from rl_decay.errors import UserError
from rl_decay.schedules import CURVES, Curve, knobs
from rl_decay.types import GROUPS

ROLES = ("actor", "critic", "clip", "entropy")
KNOBS = tuple(f.name for f in fields(Role) if f.name != "curve")


def role_curves(schedule: Schedule) -> dict[str, Curve]:
    """The curve of each role; UserError names the key of an unknown curve, a knob it lacks or a value out of range."""
    return {role: _curve(role, getattr(schedule, role), schedule) for role in ROLES}


def unused_knobs(schedule: Schedule) -> list[str]:
    """Shared knobs that were changed but that no chosen curve takes, as key=value.

    Not an error: a sweep over curves sets them for those that do.
    """
    used = {knob for role in GROUPS for knob in knobs(getattr(schedule, role).curve)}
    values = {knob: getattr(schedule, knob) for knob in KNOBS}
    return [
        f"schedule.{knob}={value}"
        for knob, value in values.items()
        if knob not in used and value != getattr(Schedule(), knob)
    ]


def _curve(role: str, chosen: Role, shared: Schedule) -> Curve:
    key = f"schedule.{role}"
    if not isinstance(chosen.curve, str) or chosen.curve not in CURVES:
        raise UserError(f"schedule/{role}={chosen.curve}: no such curve; choose one of {', '.join(CURVES)}")
    values = {}
    for knob in KNOBS:
        value = getattr(chosen, knob)
        if knob not in knobs(chosen.curve):
            if value is not None:
                takes = ", ".join(knobs(chosen.curve)) or "no knobs"
                raise UserError(f"{key}.{knob}={value}: the curve {chosen.curve} takes {takes}; remove the key")
        elif value is not None:
            values[knob] = value
        elif role in GROUPS:
            values[knob] = getattr(shared, knob)
    for knob, value in values.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            owner = key if getattr(chosen, knob) is not None else "schedule"
            raise UserError(f"{owner}.{knob}={value}: must be a number")
    try:
        return CURVES[chosen.curve](**values)
    except ValueError as error:
        knob = str(error).split()[0]
        owner = key if getattr(chosen, knob, None) is not None else "schedule"
        raise UserError(f"{owner}.{error}") from None
