"""Mistakes of the person: one line, exit code 1, no traceback, nothing left behind."""

import pytest
from variants import every, thorough

from rl_decay.schedules import CURVES

BEFORE_TRAINING = [
    # a value that the schema's type does not take
    (["actor.lr=fast"], ["actor.lr", "fast"]),
    (["seed=1.5"], ["seed", "1.5"]),
    (["net.hidden=5"], ["net.hidden"]),
    (["normalize.obs=maybe"], ["normalize.obs", "maybe"]),
    (["env.id=null"], ["env.id"]),
    # keys that there are not
    (["+schedule.foo=1"], ["schedule.foo", "did you mean"]),
    (["shcedule=linear"], ["shcedule", "did you mean schedule?"]),
    (["schedule.warmpu=0.2"], ["schedule.warmpu", "did you mean schedule.warmup?"]),
    (["actr.lr=1e-3"], ["actr", "did you mean actor?"]),
    (["schedule.actor.finl=0"], ["schedule.actor.finl", "did you mean schedule.actor.final?"]),
    # options that there are not
    (["schedule=no_such_curve"], ["schedule/no_such_curve", "linear, linear_warmup, none"]),
    (["schedule/critic=no_such_curve"], ["schedule/critic/no_such_curve", "linear, linear_warmup, none"]),
    (["env=lunar"], ["env/lunar", "acrobot, ant, bipedal_walker, cartpole"]),
    (
        ["experiment=none_such"],
        ["experiment/none_such", "cleanrl, cleanrl_continuous, constant_critic, debug, reversed"],
    ),
    (["schedule=5"], ["group", "int"]),
    # values that cannot be run
    (["actor.lr=-1"], ["actor.lr=-1"]),
    (["critic.lr=nan"], ["critic.lr=nan"]),
    (["schedule=none", "schedule.warmup=nan"], ["schedule.warmup", "nan"]),
    (["schedule=linear_warmup", "schedule.warmup=1.5"], ["schedule.warmup", "1.5"]),
    (["schedule.final=-0.1"], ["schedule.final", "-0.1"]),
    (["schedule/critic=none", "schedule.critic.final=0.1"], ["schedule.critic.final=0.1", "none"]),
    (["env.num_envs=8", "algo.num_steps=128", "algo.minibatches=3"], ["algo.minibatches=3", "1024", "1, 2, 4"]),
    (["env.num_envs=8", "algo.num_steps=128", "total_steps=10"], ["total_steps=10", "1024"]),
    (["total_steps=0"], ["total_steps=0"]),
    (["env.num_envs=-2"], ["env.num_envs=-2"]),
    (["vec=threads"], ["vec=threads", "auto, sync, async, batched"]),
    (["env.timeout=3", "vec=sync"], ["env.timeout=3", "vec=async"]),
    (
        ["vec=batched", "env.wrappers=[gymnasium.wrappers.TimeAwareObservation]"],
        ["vec=batched", "env.wrappers", "vec=sync"],
    ),
    # numbers without measure
    (["seed=" + "9" * 300], ["seed=999", "2^63 - 1"]),
    (["net.log_std=1e39"], ["net.log_std=1e+39", "float32"]),
    (["schedule.final=1e308"], ["schedule.final=1e+308", "float32"]),
    (["env.num_envs=1000000000", "total_steps=1000000000000"], ["env.num_envs=1000000000", "needs about", "free"]),
    (["net.hidden=[10000000,10000000]"], ["net.hidden=[10000000, 10000000]", "needs about", "free"]),
    (["evaluation.episodes=1000000000"], ["evaluation.episodes=1000000000", "needs about", "free"]),
    # tasks that cannot be made
    (["env.id=Nope-v0"], ["env.id=Nope-v0"]),
    (["env.id=no_such_module:Nope-v0"], ["env.id=no_such_module:Nope-v0"]),
    (["env.id=tests/Spoken-v0"], ["env.id=tests/Spoken-v0", "Text", "Box, Discrete"]),
    (["+env.kwargs.wheels=3"], ["env.id=CartPole-v1", "wheels"]),
    (["env=pendulum", "+env.kwargs.g=nan"], ["env.kwargs", "nan"]),
    (["env.rescale_actions=true"], ["env.rescale_actions=true", "Discrete(2)"]),
    (["net.squash=tanh"], ["net.squash=tanh", "Discrete(2)", "net.squash=none"]),
    # words that are no overrides
    (["schedule"], ["schedule"]),
    (["seed=1,2"], ["seed=1,2", "multirun"]),
    (["net.hidden=[64"], ["[64"]),
]


@pytest.fixture(
    scope="module", params=every(5, map(list, BEFORE_TRAINING), [" ".join(case[0]) for case in BEFORE_TRAINING])
)
def mistake(request, train_in, tmp_path_factory):
    """How a mistake ended, what its message must name, and the folder it was made in."""
    arguments, words = request.param
    folder = tmp_path_factory.mktemp("mistake")
    return train_in(folder, *arguments), words, folder


def test_a_mistake_is_one_line_that_names_it(mistake):
    ended, words, _ = mistake
    ended.refused(*words)
    assert ended.out == ""


def test_a_mistake_leaves_nothing_behind(mistake):
    _, _, folder = mistake
    assert list(folder.glob("runs/**/*")) == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["+schedule.foo=1"], ["schedule.foo"]),
        thorough(["actor.lr=-1"], ["actor.lr=-1"]),
        thorough(["schedule=no_such_curve"], ["linear, linear_warmup, none"]),
    ],
)
def test_a_person_sees_the_same(shell, tmp_path, arguments, words):
    ended = shell(*arguments)
    ended.refused(*words)
    assert ended.out == ""
    assert list(tmp_path.glob("runs/**/*")) == []


def test_an_unknown_curve_as_a_plain_key_lists_the_known_ones(train_py):
    train_py("schedule.actor.curve=no_such_curve").refused("no_such_curve", ", ".join(CURVES))
