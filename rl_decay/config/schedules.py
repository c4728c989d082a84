"""From the schedule section of a configuration to curves."""

from __future__ import annotations

from dataclasses import fields

from rl_decay.config.schema import Role, Schedule
from rl_decay.errors import UserError
from rl_decay.schedules import CURVES, Curve, knobs
from rl_decay.types import GROUPS

# The key of the base value that each role's curve multiplies.
BASE_KEYS = {"actor": "actor.lr", "critic": "critic.lr", "clip": "algo.clip", "entropy": "algo.entropy_coef"}
ROLES = tuple(BASE_KEYS)
KNOBS = tuple(f.name for f in fields(Role) if f.name != "curve")


def role_curves(schedule: Schedule) -> dict[str, Curve]:
    """The curve of each role; UserError names the key of an unknown curve, a knob it lacks or a value out of range."""
    return {role: _curve(role, getattr(schedule, role), schedule) for role in ROLES}


def unused_knobs(schedule: Schedule) -> list[str]:
    """Shared knobs that were changed but that no chosen curve takes, as key=value.

    Not an error: in a sweep over curves the knobs are meant for the jobs whose curves take them.
    """
    used_knobs: set[str] = set()
    for role in GROUPS:
        used_knobs.update(knobs(getattr(schedule, role).curve))
    defaults = Schedule()
    unused = []
    for knob in KNOBS:
        value = getattr(schedule, knob)
        if knob not in used_knobs and value != getattr(defaults, knob):
            unused.append(f"schedule.{knob}={value}")
    return unused


def _curve(role: str, chosen: Role, shared: Schedule) -> Curve:
    """The curve of one role with its knobs: the role's own, else for actor and critic the shared ones.

    Names and types are checked here, because recorded configurations come here without having passed `check`.
    """
    if not isinstance(chosen.curve, str) or chosen.curve not in CURVES:
        raise UserError(f"schedule/{role}={chosen.curve}: no such curve; choose one of {', '.join(CURVES)}")
    _refuse_foreign_knobs(role, chosen)
    values = {}
    own = knobs(chosen.curve)
    for knob in (name for name in KNOBS if name in own):
        value = getattr(chosen, knob)
        if value is None and role in GROUPS:
            value = getattr(shared, knob)
        if value is None:
            continue  # clip and entropy take no shared knob: the curve's own default holds
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UserError(f"{_owner(role, chosen, knob)}.{knob}={value}: must be a number")
        values[knob] = value
    try:
        return CURVES[chosen.curve](**values)
    except ValueError as error:
        knob = str(error).split()[0]  # the curve's message begins with the knob
        raise UserError(f"{_owner(role, chosen, knob)}.{error}") from None


def _refuse_foreign_knobs(role: str, chosen: Role) -> None:
    """UserError names a knob of the role that its curve does not take: it would silently have no effect."""
    own = knobs(chosen.curve)
    for knob in KNOBS:
        value = getattr(chosen, knob)
        if knob not in own and value is not None:
            takes = ", ".join(own) or "no knobs"
            raise UserError(f"schedule.{role}.{knob}={value}: the curve {chosen.curve} takes {takes}; remove the key")


def _owner(role: str, chosen: Role, knob: str) -> str:
    """The section whose key a person must change: the role's where it sets the knob itself, else the shared one."""
    return "schedule" if getattr(chosen, knob, None) is None else f"schedule.{role}"
