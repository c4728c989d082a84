"""From a configuration to a member: every key in which members may differ arrives there."""

from dataclasses import fields

import pytest

from rl_decay.config.checks import check
from rl_decay.config.schema import Config, flat, unflat, walk
from rl_decay.training.population import member
from rl_decay.types import Member

# Read by `load_agents` in training/start_point.py, before a member learns; nothing of it is needed afterwards.
READ_ELSEWHERE = {"init_from"}
KEYS = [key for key, _, about in walk(Config()) if about["per_member"] and key not in READ_ELSEWHERE]
# Every role has the curve with all knobs, and no role sets one itself: so each shared knob acts, too.
ALL_KNOBS = {f"schedule.{role}.curve": "linear_warmup" for role in ("actor", "critic", "clip", "entropy")}
BASE = unflat(ALL_KNOBS)


def other_value(key):
    """A value that differs from that of BASE and is within the range of every per-member key."""
    value = flat(BASE)[key]
    if key.endswith(".curve"):
        return "linear"
    if isinstance(value, bool):
        return not value
    return 7 if key == "seed" else 0.375


def comparable(one):
    """A member's fields, with each curve as numbers: curves compare equal by name and knobs, whatever they compute."""
    values = {f.name: getattr(one, f.name) for f in fields(Member)}
    factors = {}
    for role, curve in one.curves.items():
        factors[role] = [curve(step / 16) for step in range(17)]
    return values | {"curves": factors}


@pytest.mark.parametrize("key", KEYS)
def test_every_key_in_which_members_may_differ_reaches_the_member(key):
    changed = check(unflat(flat(BASE) | {key: other_value(key)}))
    assert comparable(member(changed)) != comparable(member(check(BASE)))
