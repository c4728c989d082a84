"""The keys, and what their metadata promises."""

import math
from dataclasses import fields

import pytest
from omegaconf import OmegaConf

from rl_decay.config.identity import experiment_values, fingerprint, population_values
from rl_decay.config.ranges import check_value, range_words
from rl_decay.config.schema import ABOUT, FLAGS, Config, Role, flat, walk
from rl_decay.errors import UserError
from rl_decay.schedules import CURVES, knobs

ROLE_KNOBS = ("curve", "warmup", "start", "final")
PER_MEMBER = {
    "seed",
    "init_from",
    "actor.lr",
    "critic.lr",
    "schedule.inclusive",
    *(f"schedule.{knob}" for knob in ("warmup", "start", "final")),
    *(f"schedule.{role}.{knob}" for role in ("actor", "critic", "clip", "entropy") for knob in ROLE_KNOBS),
    *(f"algo.{key}" for key in ("gamma", "gae_lambda", "clip", "entropy_coef", "value_coef")),
    *(f"algo.{key}" for key in ("max_grad_norm", "target_kl")),
}
OUTSIDE_THE_EXPERIMENT = {
    *(
        "env.preset",
        "env.timeout",
        "vec",
        "resume",
        "compare",
        "checkpoint.every",
        "checkpoint.keep",
        "logger.tensorboard",
    ),
}
PUBLIC = {
    *("seed", "total_steps", "device", "threads", "compile", "segments", "vec"),
    *(f"env.{key}" for key in ("id", "kwargs", "num_envs", "timeout")),
    *("net.hidden", "net.activation", "actor.lr", "critic.lr"),
    *(f"schedule.{key}" for key in ("warmup", "start", "final", "inclusive")),
    *(f"algo.{key}" for key in ("num_steps", "epochs", "minibatches", "gamma", "gae_lambda", "clip", "value_clip")),
    *(f"algo.{key}" for key in ("entropy_coef", "value_coef", "max_grad_norm", "grad_clip", "target_kl")),
    *(
        "normalize.obs",
        "normalize.reward",
        "checkpoint.every",
        "checkpoint.keep",
        "resume",
        "horizon",
        "init_from",
        "compare",
    ),
    *(f"evaluation.{key}" for key in ("seed", "episodes", "early", "late", "max_steps")),
}
LEAVES = list(walk(Config()))


@pytest.mark.parametrize("key, value, about", LEAVES, ids=[key for key, _, _ in LEAVES])
def test_every_key_explains_itself_in_a_line(key, value, about):
    assert set(about) == {"help", "kind", *ABOUT}
    assert about["help"].strip() and "\n" not in about["help"]
    assert all(isinstance(about[name], bool) for name in FLAGS)


@pytest.mark.parametrize("key, value, about", LEAVES, ids=[key for key, _, _ in LEAVES])
def test_help_repeats_neither_choices_nor_range(key, value, about):
    assert "|" not in about["help"]
    assert set(about["help"].split()).isdisjoint(about["choices"])
    assert not any(about[name] is not None and range_words(about) in about["help"] for name in ("above", "at_least"))


@pytest.mark.parametrize("key, value, about", LEAVES, ids=[key for key, _, _ in LEAVES])
def test_every_number_has_a_range_and_every_default_is_allowed(key, value, about):
    check_value(key, value, about)
    number = about["kind"] in (int, int | None, float, float | None, list[int])
    ranged = any(about[name] is not None for name in ("above", "at_least", "at_most"))
    knob_of_a_role = key.startswith("schedule.") and key.count(".") == 2  # its curve checks it
    assert ranged == (number and not knob_of_a_role)


@pytest.mark.parametrize("value", [-math.inf, -1.0, -1e-300, 0.0, 0.5, 1.0, 1.0 + 1e-9, 7.0, math.inf, math.nan])
@pytest.mark.parametrize("knob", [f.name for f in fields(Role) if f.name != "curve"])
def test_a_shared_knob_has_the_range_that_the_curves_give_it(knob, value):
    """Two places state it: a curve, for whoever calls it, and the schema, for a knob that no chosen curve takes."""

    def accepted(function, *args, **kwargs):
        try:
            function(*args, **kwargs)
        except (UserError, ValueError):
            return False
        return True

    about = {key: about for key, _, about in LEAVES}[f"schedule.{knob}"]
    by_schema = accepted(check_value, f"schedule.{knob}", value, about)
    for name in CURVES:
        if knob in knobs(name):
            assert accepted(CURVES[name], **{knob: value}) == by_schema


def test_members_of_a_population_may_differ_in_these_keys_only():
    assert {key for key, _, about in LEAVES if about["per_member"]} == PER_MEMBER
    assert set(population_values(Config())) == {key for key, _, _ in LEAVES} - PER_MEMBER


def test_only_logging_and_saving_stay_out_of_the_experiment():
    assert {key for key, _, about in LEAVES if not about["experiment"]} == OUTSIDE_THE_EXPERIMENT
    later = {key for key, _, about in LEAVES if about["later"]}
    assert set(experiment_values(Config())) == {key for key, _, _ in LEAVES} - OUTSIDE_THE_EXPERIMENT - later


def test_public_keys_are_there():
    assert set(flat(Config())) >= PUBLIC


def test_defaults_of_the_schedule_are_the_documented_ones():
    schedule = Config().schedule
    assert (schedule.warmup, schedule.start, schedule.final, schedule.inclusive) == (0.1, 1.0, 0.0, False)
    assert (schedule.actor.curve, schedule.critic.curve) == ("linear", "linear")
    assert (schedule.clip.curve, schedule.entropy.curve) == ("none", "none")


def test_two_configurations_share_nothing():
    one, other = Config(), Config()
    one.net.hidden.append(8)
    one.env.kwargs["x"] = 1
    one.schedule.actor.curve = "none"
    assert flat(other) == flat(Config()) != flat(one)


def test_omegaconf_takes_the_schema_and_gives_it_back():
    assert OmegaConf.to_object(OmegaConf.structured(Config)) == Config()


@pytest.mark.parametrize("key", sorted(PER_MEMBER))
def test_the_fingerprint_sees_every_key_of_a_member(key):
    config = Config()
    owner, leaf = config, key
    while "." in leaf:
        name, _, leaf = leaf.partition(".")
        owner = getattr(owner, name)
    setattr(owner, leaf, "other")
    assert fingerprint(experiment_values(config)) != fingerprint(experiment_values(Config()))
