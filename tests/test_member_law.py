"""Member m of a population is the same run as m alone, bit for bit: its networks, its moments, its tables."""

import pytest
from variants import keeping

SEEDS = range(5)
CURVES = [  # of member 0, 1, ...: actor, critic
    ("linear", "linear"),
    ("none", "linear"),
    ("linear_warmup", "none"),
    ("none", "none"),
    ("linear", "linear_warmup"),
]
NORMALIZED = {"normalize__obs": True, "normalize__reward": True}

CASES = {
    "one environment, one minibatch": {
        "env__id": "CartPole-v1",
        "env__num_envs": 1,
        "algo__num_steps": 50,
        "algo__minibatches": 1,
        "net__hidden": [64, 64],
    },
    "three environments, minibatches of 50": {
        "env__id": "CartPole-v1",
        "env__num_envs": 3,
        "algo__num_steps": 50,
        "algo__minibatches": 3,
        **NORMALIZED,
    },
    "one action, minibatches of 50": {
        "env__id": "Pendulum-v1",
        "env__num_envs": 3,
        "algo__num_steps": 50,
        "algo__minibatches": 3,
        "net__hidden": [64, 64],
        **NORMALIZED,
    },
    "one action, relu, unequal layers, value clip": {
        "env__id": "MountainCarContinuous-v0",
        "env__num_envs": 1,
        "algo__num_steps": 50,
        "algo__minibatches": 1,
        "net__hidden": [30, 17],
        "net__activation": "relu",
        "algo__value_clip": 0.2,
        "evaluation__episodes": 1,
    },
    "six actions, joint clipping": {
        "env__id": "tests/Push-v0",
        "env__kwargs": {"size": 6},
        "env__num_envs": 3,
        "algo__grad_clip": "joint",
        **NORMALIZED,
    },
    "seventeen actions, unequal layers": {
        "env__id": "tests/Push-v0",
        "env__kwargs": {"size": 17},
        "env__num_envs": 1,
        "algo__num_steps": 50,
        "algo__minibatches": 1,
        "net__hidden": [30, 17],
    },
    "target KL, one-hot observations": {
        "env__id": "tests/Corridor-v0",
        "env__num_envs": 3,
        "algo__epochs": 4,
        "algo__target_kl": 1e-5,
    },
    "components of an action, one-hot parts": {
        "env__id": "tests/Panel-v0",
        "env__kwargs": {"action": "dials"},
        "env__num_envs": 3,
        "algo__num_steps": 50,
        "algo__minibatches": 3,
        **NORMALIZED,
    },
    "unequal components, one environment": {
        "env__id": "tests/Panel-v0",
        "env__kwargs": {"obs": "tuple", "action": "knobs"},
        "env__num_envs": 1,
        "algo__num_steps": 50,
        "algo__minibatches": 1,
        "net__hidden": [30, 17],
        "net__activation": "relu",
        "algo__grad_clip": "joint",
    },
    "two-way components, target KL": {
        "env__id": "tests/Panel-v0",
        "env__kwargs": {"obs": "lamps", "action": "switches"},
        "env__num_envs": 3,
        "algo__epochs": 4,
        "algo__target_kl": 1e-5,
        "algo__value_clip": 0.2,
    },
    "squashed actions, one environment": {
        "env__id": "tests/Push-v0",
        "env__kwargs": {"size": 17},
        "env__num_envs": 1,
        "net__squash": "tanh",
    },
    "rescaled actions, no hidden layer": {
        "env__id": "tests/Push-v0",
        "env__kwargs": {"size": 3},
        "env__rescale_actions": True,
        "net__hidden": [],
    },
}

FAST = ("six actions, joint clipping", "target KL, one-hot observations")


def member(configure, seed, case):
    """The same structure for all; seed, schedules, rates, discount, clip range and limits of its own."""
    actor, critic = CURVES[seed]
    if "algo__target_kl" in case:
        case = case | {"algo__target_kl": case["algo__target_kl"] * 10**seed}
    return configure(
        **case,
        seed=seed,
        actor__lr=1e-3 * (1 + seed),
        critic__lr=3e-3 / (1 + seed),
        schedule__actor__curve=actor,
        schedule__critic__curve=critic,
        schedule__inclusive=seed % 2 == 0,
        algo__gamma=0.9 + 0.02 * seed,
        algo__gae_lambda=1 - 0.05 * seed,
        algo__clip=0.1 + 0.05 * seed,
        algo__entropy_coef=0.01 * seed,
        algo__max_grad_norm=None if seed == 3 else 0.1 + 0.2 * seed,
        evaluation__late=2,
    )


@pytest.mark.parametrize("case", keeping(FAST, CASES))
def test_members_do_not_notice_each_other(case, configure, train, differences):
    case = {"algo__num_steps": 30} | case
    rows = case.get("env__num_envs", 2) * case["algo__num_steps"]
    configs = [member(configure, seed, case | {"total_steps": 3 * rows}) for seed in SEEDS]
    alone = [train(config)[0] for config in configs]
    assert differences(alone[0], alone[1]) != []
    for order in ([0, 1, 2], [0, 1, 2, 3, 4], [3, 0, 4, 2, 1]):
        for seed, result in zip(order, train(*(configs[seed] for seed in order))):
            assert differences(alone[seed], result) == [], f"member {seed} of {order}"
