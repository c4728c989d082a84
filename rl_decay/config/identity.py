"""When two runs are the same: all of it.

- May two jobs train together? `population_keys` must be equal, all keys without `per_member`, and the jobs must have
  come equally far. Asked by sweeps and by training/population.py.
- Are two runs one experiment? `experiment_keys` must be equal: all keys but those with `experiment=False`, and those
  marked `later` where they have their default. `fingerprint` is their hash. Asked by resume, `init_from`, folder names.
- Are two runs of one arm? `arm_keys` must be equal: those of the experiment but for the seed, with the schedule's knobs
  as they act. Asked by compare and by the last lines of a sweep.

What may differ all the same: `MAY_DIFFER_WHEN_LONGER` in a run that was made longer, everything but `SHAPING` in one
that branches.
A key that is added to the schema is marked `later`, so that no earlier run becomes another experiment by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from rl_decay.config.schedules import KNOBS, ROLES, role_curves
from rl_decay.config.schema import Config, Role, Schedule, flat, walk

MAY_DIFFER_WHEN_LONGER = ("total_steps", "horizon")  # between a checkpoint and its run, once that was made longer
SHAPING = ("net.hidden", "net.activation", "normalize.obs", "normalize.reward")  # what weights were made for
SHARED = tuple(f"schedule.{knob}" for knob in KNOBS)
WITHOUT_EFFECT = ("seed", *(key for key, _, about in walk(Config()) if not about["experiment"]))


def population_keys(config: Config) -> dict[str, Any]:
    """The keys that all members of a population must share."""
    return {key: value for key, value, metadata in walk(config) if not metadata["per_member"]}


def fingerprint(values: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of values as canonical JSON: keys sorted, no spaces, floats by repr. Equal values, equal print.

    1 and 1.0 differ. ValueError for NaN and infinities, TypeError for what JSON does not know.
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_number)
    return hashlib.sha256(text.encode()).hexdigest()


def experiment_keys(config: Config) -> dict[str, Any]:
    """The part of a flat configuration that decides what is learned: all but the keys marked `experiment=False`, and
    those marked `later` where they have their default.
    """
    defaults = flat(Config())
    return {
        key: value
        for key, value, about in walk(config)
        if about["experiment"] and not (about["later"] and value == defaults[key])
    }


def experiment_names() -> tuple[str, ...]:
    """The keys that decide what is learned."""
    return tuple(key for key, _, about in walk(Config()) if about["experiment"])


def changed_keys(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{key: (old value, new value)} of what differs between the `experiment_keys` of two runs."""
    defaults = flat(Config())
    changed = {}
    for key in dict.fromkeys((*new, *old)):
        before, after = old.get(key, defaults[key]), new.get(key, defaults[key])
        if before != after:
            changed[key] = before, after
    return changed


def arm_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a flat configuration that decide what is learned, the seed aside, and each role's knobs as they act.

    Shared knobs go to the roles that take them, and a knob that no curve takes goes away. So `schedule.final=0.1` is
    the same experiment as `schedule.actor.final=0.1 schedule.critic.final=0.1`, and without decay it is none at all.
    Errors: KeyError for a missing key of the schedule, UserError as role_curves.
    """
    curves = role_curves(_schedule(config))
    acting = {f"schedule.{role}.{knob}": v for role, curve in curves.items() for knob, v in curve.knobs.items()}
    idle = {*WITHOUT_EFFECT, *SHARED, *(f"schedule.{role}.{knob}" for role in ROLES for knob in KNOBS)}
    if not acting:
        idle.add("schedule.inclusive")
    return {key: acting.get(key, value) for key, value in config.items() if key in acting or key not in idle}


def _schedule(config: Mapping[str, Any]) -> Schedule:
    values: dict[str, Any] = {
        role: Role(*(config[f"schedule.{role}.{f.name}"] for f in fields(Role))) for role in ROLES
    }
    values |= {name: config[f"schedule.{name}"] for name in (*KNOBS, "inclusive")}
    return Schedule(**values)


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON has no {type(value).__name__}: {value!r}")
