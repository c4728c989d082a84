"""The words for every range, and no number of any key is too large for what it ends up in: all keys of the schema."""

import math

import numpy as np
import pytest

from rl_decay.config.checks import check
from rl_decay.config.schema import Config, flat, unflat, walk
from rl_decay.errors import UserError

FLOAT32 = float(np.finfo(np.float32).max)
KINDS = {key: type(value) for key, value, _ in walk(Config())}
WHOLE = [key for key, kind in KINDS.items() if kind is int] + ["checkpoint.every", "evaluation.max_steps"]
BOUNDS = ("above", "at_least", "at_most")
NUMBERS = [key for key, kind in KINDS.items() if kind is float]
NUMBERS += ["algo.value_clip", "algo.target_kl", "env.timeout"]
NUMBERS += [f"schedule.{role}.{knob}" for role in ("actor", "clip") for knob in ("warmup", "start", "final")]


def refused(**values) -> str:
    curves = {f"schedule.{role}.curve": "linear_warmup" for role in ("actor", "critic", "clip", "entropy")}
    with pytest.raises(UserError) as error:
        check(unflat(flat(Config()) | curves | {key.replace("__", "."): value for key, value in values.items()}))
    message = str(error.value)
    assert "\n" not in message and len(message) < 300
    return message


COUNTED = ["total_steps", "threads", "segments", "env.num_envs", "algo.num_steps", "algo.epochs", "algo.minibatches"]
COUNTED += ["evaluation.episodes", "evaluation.late"]
WORDS = {
    **dict.fromkeys(COUNTED, "a whole number of at least 1"),
    **dict.fromkeys(["seed", "evaluation.seed", "evaluation.early", "checkpoint.keep"], "a whole number, 0 or more"),
    **dict.fromkeys(["checkpoint.every", "evaluation.max_steps"], "a whole number of at least 1; or null"),
    **dict.fromkeys(["actor.lr", "critic.lr", "algo.entropy_coef", "algo.value_coef"], "0 or more, and finite"),
    **dict.fromkeys(["schedule.start", "schedule.final"], "0 or more, and finite"),
    **dict.fromkeys(["algo.gamma", "algo.gae_lambda", "schedule.warmup"], "between 0 and 1"),
    **dict.fromkeys(["algo.value_clip", "algo.max_grad_norm", "algo.target_kl"], "more than 0, and finite; or null"),
    "algo.clip": "more than 0, and finite",
    "env.timeout": "more than 0, at most 1,000,000 seconds; or null for ever",
    "net.hidden": "a list of whole numbers of at least 1",
    "net.log_std": "finite",
}


def test_every_range_has_words():
    ranged = [key for key, _, about in walk(Config()) if any(about[name] is not None for name in BOUNDS)]
    assert sorted(WORDS) == sorted(ranged)


@pytest.mark.parametrize("key", WORDS)
def test_a_value_out_of_range_is_named_with_the_range_in_words(key):
    value = {"net.hidden": [8, -1], "net.log_std": -math.inf}.get(key, -1 if key in WHOLE else -1.0)
    assert refused(**{key: value}) == f"{key}={value}: must be {WORDS[key]}"


@pytest.mark.parametrize("value", [2**63, 10**300 - 1, 10**5000], ids=["2^63", "300 digits", "5000 digits"])
@pytest.mark.parametrize("key", WHOLE)
def test_whole_numbers_fit_into_64_bits(key, value):
    assert refused(**{key: value}).startswith(f"{key}=")


@pytest.mark.parametrize("value", [1e39, 1e308, 10**400], ids=["1e39", "1e308", "400 digits"])
@pytest.mark.parametrize("key", NUMBERS)
def test_numbers_fit_into_float32(key, value):
    assert f"{key}=" in refused(**{key: value}) or f"{key} must lie in" in refused(**{key: value})


def test_a_list_of_widths_is_bounded_too():
    assert refused(net__hidden=[64, 2**63]).startswith("net.hidden=[64, 9223372036854775808]: must be at most 2^63 - 1")


@pytest.mark.parametrize(
    "base, value, knob",
    [
        ("actor.lr", 100.0, "schedule.final"),
        ("critic.lr", 100.0, "schedule.start"),
        ("actor.lr", 100.0, "schedule.actor.final"),
        ("algo.clip", 100.0, "schedule.clip.final"),
        ("algo.entropy_coef", 100.0, "schedule.entropy.start"),
    ],
)
def test_a_rate_times_its_factor_fits_into_float32(base, value, knob):
    message = refused(**{base: value, knob: 1e37})  # 1e39 > 3.4e38, and neither of the two alone
    assert message.startswith(f"{knob}=1e+37: times {base}={value}")


def test_the_largest_numbers_are_taken():
    values = {"net.log_std": -FLOAT32, "algo.value_coef": FLOAT32, "schedule.final": 1e38, "actor.lr": 3.4}
    values |= {"seed": 2**63 - 1, "evaluation.seed": 2**63 - 1, "total_steps": 2**63 - 1, "checkpoint.keep": 2**63 - 1}
    check(unflat(flat(Config()) | values))


def test_a_timeout_that_the_system_can_wait_for():
    assert "1,000,000 seconds" in refused(env__timeout=1e7, vec="async")
    check(unflat(flat(Config()) | {"vec": "async", "env.timeout": 1e6}))


@pytest.mark.parametrize("rows, minibatches", [(10**13, 7), (2**61 - 1, 3), (2 * (10**9 + 7), 999)])
def test_fitting_minibatches_of_the_largest_rollout_are_found_at_once(rows, minibatches):
    message = refused(env__num_envs=1, algo__num_steps=rows, algo__minibatches=minibatches, total_steps=2**63 - 1)
    fitting = [int(n) for n in message.rpartition("fit: ")[2].split(", ")]
    assert fitting and all(rows % n == 0 for n in fitting)


def test_numbers_beyond_every_limit_inside_a_tasks_arguments_are_one_line():
    assert refused(env__kwargs={"x": 10**5000}).startswith("env.kwargs=")
    assert refused(env__kwargs={"x": math.inf}).startswith("env.kwargs={'x': inf}")
