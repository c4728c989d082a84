"""The estimate of memory: sums by hand, and the key that is named."""

import pytest

from rl_decay.config.memory import cause, on_gpu, on_host, parts
from rl_decay.config.schema import unflat
from rl_decay.types import Spaces

CARTPOLE = Spaces(4, 2, continuous=False)


def config(**values):
    return unflat({key.replace("__", "."): value for key, value in values.items()})


def test_parts_by_hand():
    # 2 environments of 16 steps: 32 rows; 4 inputs, 8 hidden units, 2 actions padded to 4
    small = config(env__num_envs=2, algo__num_steps=16, net__hidden=[8], evaluation__episodes=3, total_steps=320)
    size = parts(small, CARTPOLE, 5)
    assert size["parameters"] == 2 * (5 * 8 + 9 * 4) * 4 * (10 * 5 + 12)
    assert size["rollout"] == 5 * (32 + 2) * 4 * (6 * 4 + 4 * 2 + 25)
    assert size["permutations"] == 5 * 32 * 8 * 4  # int64, 4 epochs
    assert size["update"] == 5 * 32 * 4 * 2 * 12  # actor and critic; 4 + 8 floats, more than 2 * 16 / 4 of a minibatch
    assert size["environments"] == 5 * (2 + 3) * (10_000 + 8 * 4 * 4)
    assert size["evaluations"] == (3 + 2 + 10) * 300 * 6  # 30 % of 10 iterations and 2, and all of them
    assert on_host(size, cuda=False) == sum(size.values()) == on_host(size, cuda=True) + on_gpu(size)


@pytest.mark.parametrize(
    "key, value",
    [
        ("env.num_envs", 10**9),
        ("algo.num_steps", 10**13),
        ("algo.epochs", 10**9),
        ("net.hidden", [10**7]),
        ("evaluation.episodes", 10**9),
        ("evaluation.late", 10**9),
        ("evaluation.early", 10**9),
    ],
)
def test_the_key_that_takes_most_is_named(key, value):
    large = unflat({"total_steps": 10**18, key: value})
    assert sum(parts(large, CARTPOLE).values()) > 5 * 10**10
    assert cause(large, CARTPOLE) == f"{key}={value}"


def test_the_task_is_named_where_no_key_is_to_blame():
    pixels = Spaces(10**9, 2, continuous=False)
    assert cause(config(), pixels) == "env.id=CartPole-v1, whose observations are 1,000,000,000 numbers each"


def test_values_without_measure_are_only_large_numbers():
    most = 2**63 - 1
    keys = ("env.num_envs", "algo.num_steps", "algo.epochs", "evaluation.episodes", "evaluation.late", "total_steps")
    assert sum(parts(unflat({**dict.fromkeys(keys, most), "net.hidden": [most] * 3}), CARTPOLE, 10**6).values()) > 1e60


@pytest.mark.parametrize("key", ["total_steps", "segments", "checkpoint.keep", "seed", "algo.minibatches"])
def test_a_run_that_is_only_long_needs_no_more(key):
    assert sum(parts(unflat({key: 10**15}), CARTPOLE).values()) < 10**8


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (Spaces(4, 10**9, continuous=False), "whose action is one of 1,000,000,000"),
        (Spaces(4, 10**9, continuous=False, nvec=(2,) * 5), "whose actions have 1,000,000,000 options in all"),
        (Spaces(4, 10**9, continuous=True), "whose actions are 1,000,000,000 numbers each"),
    ],
)
def test_a_task_with_too_many_actions_is_named_by_them(actions, words):
    assert cause(config(algo__epochs=10), actions) == f"env.id=CartPole-v1, {words}"
