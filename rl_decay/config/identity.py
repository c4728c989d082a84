"""Three questions about two runs, each answered by the keys in which they must be equal: {key: value}.

- May two jobs train together? `population_values`: all keys without `per_member`. (The jobs must also have come equally
  far.) Asked by sweeps and by training/population.py.
- Are two runs one experiment? `experiment_values`: all keys but those with `experiment=False`, and but those marked
  `later` that have their default. `fingerprint` is their hash. Asked by resume, `init_from` and folder names.
- Do two runs belong to one arm? `arm_values`: the keys of the experiment without the seed, with the schedule's knobs as
  the curves use them. Asked by compare and by the last lines of a sweep.

Two exceptions: a run that was made longer may differ in `MAY_DIFFER_WHEN_LONGER`, and a run that takes another run's
weights (`init_from`) may differ in everything but `SHAPING`.
A key that is added to the schema is marked `later`. Otherwise every run recorded before it would become another
experiment, with another fingerprint.
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

# Keys in which a run may differ from its checkpoint after `horizon=...` made it longer.
MAY_DIFFER_WHEN_LONGER = ("total_steps", "horizon")
# Keys that give the network its shape, its inputs their scale and its outputs their meaning: weights are of no use
# under other values.
SHAPING = ("net.hidden", "net.activation", "net.squash", "normalize.obs", "normalize.reward")
SHARED = tuple(f"schedule.{knob}" for knob in KNOBS)
ROLE_KNOBS = tuple(f"schedule.{role}.{knob}" for role in ROLES for knob in KNOBS)
OUTSIDE_ARMS = ("seed", *(key for key, _, about in walk(Config()) if not about["experiment"]))


def population_values(config: Config) -> dict[str, Any]:
    """The part of a flat configuration that all members of a population must share."""
    return {key: value for key, value, about in walk(config) if not about["per_member"]}


def fingerprint(values: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of values as canonical JSON: keys sorted, no spaces, floats by repr.

    1 and 1.0 differ. ValueError for NaN and infinities, TypeError for a type that JSON does not have.
    """
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_number)
    return hashlib.sha256(text.encode()).hexdigest()


def experiment_values(config: Config) -> dict[str, Any]:
    """The part of a flat configuration that decides what is learned: all keys but those marked `experiment=False`, and
    but those marked `later` that have their default.
    """
    defaults = flat(Config())
    values = {}
    for key, value, about in walk(config):
        # A run that was recorded before the key came did what the default does, so the default is left out.
        at_later_default = about["later"] and value == defaults[key]
        if about["experiment"] and not at_later_default:
            values[key] = value
    return values


def experiment_key_names() -> tuple[str, ...]:
    """The keys that decide what is learned, whatever their values."""
    return tuple(key for key, _, about in walk(Config()) if about["experiment"])


def changed_values(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """{key: (old value, new value)} of the keys that differ between the `experiment_values` of two runs."""
    defaults = flat(Config())
    changed = {}
    for key in dict.fromkeys((*new, *old)):
        before = old.get(key, defaults[key])  # a key may be missing: `later` keys are left out at their default
        after = new.get(key, defaults[key])
        if before != after:
            changed[key] = before, after
    return changed


def arm_values(flat_config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a flat configuration that decides its arm: the experiment's without the seed, and each role's knobs
    at the values that its curve uses.

    Shared knobs go to the roles that take them, and a knob that no curve takes goes away. So `schedule.final=0.1` is
    the same experiment as `schedule.actor.final=0.1 schedule.critic.final=0.1`, and changes nothing without decay.
    Errors: KeyError for a missing key of the schedule, UserError as role_curves.
    """
    effective_knobs: dict[str, Any] = {}
    for role, curve in role_curves(_schedule(flat_config)).items():
        for knob, value in curve.knobs.items():
            effective_knobs[f"schedule.{role}.{knob}"] = value
    ignored = {*OUTSIDE_ARMS, *SHARED, *ROLE_KNOBS}
    if not effective_knobs:
        ignored.add("schedule.inclusive")  # without decay, progress moves nothing
    arm = {}
    for key, value in flat_config.items():
        if key in effective_knobs:
            arm[key] = effective_knobs[key]  # first, because the keys of a role's knobs are among the ignored ones
        elif key not in ignored:
            arm[key] = value
    return arm


def _schedule(flat_config: Mapping[str, Any]) -> Schedule:
    """The schedule section of a flat configuration."""
    values: dict[str, Any] = {name: flat_config[f"schedule.{name}"] for name in (*KNOBS, "inclusive")}
    for role in ROLES:
        values[role] = Role(**{f.name: flat_config[f"schedule.{role}.{f.name}"] for f in fields(Role)})
    return Schedule(**values)


def _number(value: Any) -> Any:
    """The Python number of a NumPy scalar, which JSON does not know."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON has no {type(value).__name__}: {value!r}")
