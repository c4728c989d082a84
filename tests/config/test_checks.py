"""Bad values: one message that names the key, the value and the way out."""

import math
import re

import pytest
from trained import train_configs

from rl_decay.config.checks import check
from rl_decay.config.plan import make_plan
from rl_decay.config.schedules import unused_knobs
from rl_decay.config.schema import Config, Schedule, flat, walk
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked

CHOICES = {key: about["choices"] for key, _, about in walk(Config()) if about["choices"]}
COUNTS = ["total_steps", "threads", "segments", "env.num_envs", "algo.num_steps", "algo.epochs", "algo.minibatches"]
COUNTS += ["evaluation.episodes", "evaluation.late", "checkpoint.every"]
RATES = ["actor.lr", "critic.lr", "algo.entropy_coef", "algo.value_coef"]
LIMITS = ["algo.clip", "algo.value_clip", "algo.max_grad_norm", "algo.target_kl", "env.timeout"]
NATURAL = ["seed", "evaluation.seed", "evaluation.early", "checkpoint.keep"]
SHARES = ["algo.gamma", "algo.gae_lambda"]
BAD = [
    *((key, value) for key in COUNTS for value in (0, -3)),
    *((key, value) for key in RATES for value in (-0.5, math.nan, math.inf)),
    *((key, value) for key in LIMITS for value in (0.0, -0.5, math.nan, math.inf)),
    *((key, -1) for key in NATURAL),
    *((key, value) for key in SHARES for value in (-0.5, 1.5, math.nan, math.inf)),
    *(("net.log_std", value) for value in (math.nan, math.inf, -math.inf)),
    *(("net.hidden", value) for value in ([0], [64, -1])),
    *((key, value) for key in CHOICES for value in ("nonsense", "")),
]
KNOBS = [
    *(("warmup", value) for value in (-0.1, 1.1, math.nan, math.inf)),
    *((knob, value) for knob in ("start", "final") for value in (-0.5, math.nan, math.inf)),
]


def configured(values: dict[str, object]) -> Config:
    config = Config()
    for key, value in values.items():
        *path, leaf = key.split(".")
        owner = config
        for name in path:
            owner = getattr(owner, name)
        assert hasattr(owner, leaf), key
        setattr(owner, leaf, value)
    return config


def refused(values: dict[str, object]) -> str:
    with pytest.raises(UserError) as error:
        check(configured(values))
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("key, value", BAD)
def test_a_bad_value_is_named_with_its_key(key, value):
    assert refused({key: value}).startswith(f"{key}={value}: ")


@pytest.mark.parametrize("key", CHOICES)
def test_an_unknown_choice_lists_the_known_ones(key):
    message = refused({key: "nonsense"})
    assert all(option in message for option in CHOICES[key])


@pytest.mark.parametrize("key", CHOICES)
def test_every_known_choice_is_taken(key):
    for option in CHOICES[key]:
        assert flat(check(configured({"resume": "auto", key: option})))[key] == option


@pytest.mark.parametrize(
    "values",
    [
        {"actor.lr": 0.0, "critic.lr": 0.0, "algo.entropy_coef": 0.0, "algo.value_coef": 0.0},
        {"algo.gamma": 0.0, "algo.gae_lambda": 0.0},
        {"algo.gamma": 1.0, "algo.gae_lambda": 1.0},
        {"algo.max_grad_norm": None, "algo.target_kl": None, "algo.value_clip": None, "checkpoint.every": None},
        {"seed": 0, "evaluation.seed": 0, "evaluation.early": 0, "checkpoint.keep": 0, "total_steps": 1024},
        {"seed": 2**63 - 1, "net.hidden": [], "net.log_std": -3.0},
        {"schedule.warmup": 1.0, "schedule.start": 0.0, "schedule.final": 7.0},
    ],
)
def test_the_edges_of_every_range_are_taken(values):
    check(configured(values))


@pytest.mark.parametrize("knob, value", KNOBS)
def test_a_bad_shared_knob_is_named(knob, value):
    curves = {"schedule.actor.curve": "none", "schedule.critic.curve": "linear_warmup"}
    message = refused(curves | {f"schedule.{knob}": value})
    assert f"schedule.{knob}" in message and str(value) in message
    assert "schedule.critic" not in message  # it was the shared one


@pytest.mark.parametrize("knob, value", KNOBS)
@pytest.mark.parametrize("role", ["actor", "critic", "clip", "entropy"])
def test_a_bad_knob_of_a_role_is_named(role, knob, value):
    message = refused({f"schedule.{role}.curve": "linear_warmup", f"schedule.{role}.{knob}": value})
    assert f"schedule.{role}.{knob}" in message and str(value) in message


@pytest.mark.parametrize("role", ["actor", "critic", "clip", "entropy"])
@pytest.mark.parametrize(
    "curve, knob, takes",
    [("none", "start", "no knobs"), ("none", "final", "no knobs"), ("linear", "warmup", "start, final")],
)
def test_a_knob_that_the_curve_of_its_role_lacks_is_an_error(role, curve, knob, takes):
    message = refused({f"schedule.{role}.curve": curve, f"schedule.{role}.{knob}": 0.5})
    assert f"schedule.{role}.{knob}=0.5" in message
    assert f"{curve} takes {takes}" in message


@pytest.mark.parametrize("role", ["actor", "critic", "clip", "entropy"])
def test_an_unknown_curve_is_named_with_the_known_ones(role):
    message = refused({f"schedule.{role}.curve": "no_such_curve"})
    assert re.search(rf"schedule[./]{role}.*=no_such_curve", message)
    assert "none, linear, linear_warmup" in message


@pytest.mark.parametrize("value", [math.nan, -1.0, math.inf])
@pytest.mark.parametrize("knob", ["warmup", "start", "final"])
def test_a_shared_knob_must_be_in_range_even_where_no_curve_takes_it(knob, value):
    curves = {"schedule.actor.curve": "none", "schedule.critic.curve": "none"}
    message = refused(curves | {f"schedule.{knob}": value})
    assert f"schedule.{knob}" in message and str(value) in message


def test_a_shared_knob_that_no_chosen_curve_takes_is_only_a_line():
    schedule = configured({"schedule.warmup": 0.3, "schedule.final": 0.2}).schedule
    check(Config(schedule=schedule))
    assert unused_knobs(schedule) == ["schedule.warmup=0.3"]
    schedule.actor.curve = schedule.critic.curve = "none"
    assert unused_knobs(schedule) == ["schedule.warmup=0.3", "schedule.final=0.2"]
    schedule.critic.curve = "linear_warmup"
    assert unused_knobs(schedule) == []
    assert unused_knobs(Schedule()) == []


def test_clip_and_entropy_do_not_use_shared_knobs():
    values = {f"schedule.{role}.curve": "none" for role in ("actor", "critic")}
    values |= {"schedule.clip.curve": "linear", "schedule.final": 0.5}
    assert unused_knobs(check(configured(values)).schedule) == ["schedule.final=0.5"]


def test_actions_are_mapped_onto_their_bounds_in_one_way_only():
    message = refused({"net.squash": "tanh", "env.rescale_actions": True})
    assert "net.squash=tanh" in message and "env.rescale_actions=true" in message
    check(configured({"net.squash": "tanh"}))


@pytest.mark.parametrize("minibatches", [3, 5, 7, 100, 1000, 1024, 4096])
def test_minibatches_that_do_not_divide_a_rollout_name_some_that_do(minibatches):
    # 8 * 128 = 1024 rows; 1024 minibatches would hold a single row each, which has no standard deviation
    message = refused({"algo.minibatches": minibatches})
    assert f"algo.minibatches={minibatches}" in message and "1024" in message
    suggested = [int(number) for number in re.search(r"fit: ([\d, ]+)", message)[1].split(",")]
    assert len(suggested) == 3
    for number in suggested:
        check(configured({"algo.minibatches": number}))


def test_a_rollout_of_one_row_cannot_be_cut():
    message = refused({"env.num_envs": 1, "algo.num_steps": 1, "algo.minibatches": 1})
    assert "algo.minibatches=1" in message and "none" in message


def test_a_run_shorter_than_an_iteration_names_the_fewest_steps():
    message = refused({"total_steps": 1023})  # one iteration takes 8 * 128 = 1024
    assert "total_steps=1023" in message and "1024" in message
    assert make_plan(check(configured({"total_steps": 1024})), None).num_iterations == 1


def test_only_async_environments_can_time_out():
    for vec in ("sync", "batched"):
        message = refused({"env.timeout": 5.0, "vec": vec})
        assert "env.timeout=5.0" in message and "vec=async" in message
    for vec in ("async", "auto"):
        check(configured({"env.timeout": 5.0, "vec": vec}))


def test_a_bad_configuration_leaves_no_folder(tmp_path):
    with pytest.raises(UserError, match=r"actor\.lr=-1"):
        train_configs([configured({"actor.lr": -1})], [tmp_path / "run"])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "override, key, hint",
    [
        ("+schedule.foo=1", "schedule.foo", "foo"),
        ("+foo=1", "foo", "foo"),
        ("+schedule.warmpu=0.2", "schedule.warmpu", "did you mean schedule.warmup?"),
        ("+schedule.actor.finl=0.2", "schedule.actor.finl", "did you mean schedule.actor.final?"),
        ("+total_step=5", "total_step", "did you mean total_steps?"),
    ],
)
def test_the_strict_merge_refuses_what_hydra_lets_through(compose, override, key, hint):
    with pytest.raises(UserError) as error:
        checked(compose(override))
    message = str(error.value)
    assert message.startswith(f"{key}: ") and hint in message and "\n" not in message


def test_other_knobs_of_a_task_are_its_own_business(compose):
    assert checked(compose("+env.kwargs.anything=1")).env.kwargs == {"anything": 1}


@pytest.mark.parametrize("name", ["render_mode", "num_envs", "vectorization_mode", "wrappers", "id"])
def test_arguments_that_are_not_the_tasks_are_refused_with_the_reason(name):
    config = Config()
    config.env.kwargs = {name: 1}
    with pytest.raises(UserError, match=rf"env\.kwargs\.{name}=1: no argument of the task, .*; remove it"):
        check(config)


@pytest.mark.parametrize("limit", [0, -2, 1.5, 200.0, True, "x", [5], math.nan])
def test_a_time_limit_that_gymnasium_would_not_take_is_named(limit):
    message = refused({"env.kwargs": {"max_episode_steps": limit}})
    assert message.startswith("env.kwargs") and str(limit) in message


@pytest.mark.parametrize("limit", [None, -1, 1, 10**6])
def test_time_limits_that_gymnasium_takes(limit):
    check(configured({"env.kwargs": {"max_episode_steps": limit}}))
