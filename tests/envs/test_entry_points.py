"""env.entry_point: a class or function makes the task, and nothing is registered."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest

from rl_decay.config.checks import check
from rl_decay.config.schema import Config, Env
from rl_decay.envs.examine import examine
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError


def entry(point, **kwargs):
    return check(Config(env=Env(entry_point=point, kwargs=kwargs))).env


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize(("point", "length"), [("odd_tasks:Slide", 9), ("odd_tasks:made", 5)])
def test_a_class_or_a_function_makes_the_copies(vec, point, length):
    before = dict(gym.registry)
    with closing(GymnasiumVec(entry(point), 2, vec)) as envs:
        envs.reset([1, 2])
        steps = [envs.step(np.zeros(2, np.int64)) for _ in range(length)]
    assert [step.truncated.any() for step in steps] == [False] * (length - 1) + [True]
    assert envs.time_limit is None and gym.registry == before
    assert examine(entry(point), vec).notes == ()


def test_two_entry_points_of_one_name_do_not_meet():
    with closing(make_env(entry("odd_tasks:Slide"))) as one, closing(make_env(Env(id="CartPole-v1"))) as other:
        assert type(one.unwrapped).__name__ == "Slide" and type(other.unwrapped).__name__ == "CartPoleEnv"
        assert one.spec.id == "odd_tasks:Slide"


def test_arguments_and_the_time_limit_come_from_the_keys_of_all_tasks():
    with closing(GymnasiumVec(entry("odd_tasks:Slide", length=7, max_episode_steps=4), 1)) as envs:
        envs.reset([1])
        assert [envs.step(np.zeros(1, np.int64)).truncated[0] for _ in range(4)] == [False, False, False, True]
        assert envs.time_limit == 4
    with closing(GymnasiumVec(entry("odd_tasks:Slide", max_episode_steps=-1), 1)) as envs:
        assert envs.time_limit is None


def test_a_function_of_a_wider_package_will_do():
    with closing(make_env(entry("gymnasium.envs.classic_control.cartpole:CartPoleEnv"))) as copy:
        assert copy.spec.max_episode_steps is None


@pytest.mark.parametrize(
    ("point", "words"),
    [
        ("no_such_module:MyEnv", "no module no_such_module is installed"),
        ("odd_tasks:Missing", "the module odd_tasks has no Missing"),
        ("odd_tasks:NUMBER", "NUMBER is neither a class nor a function"),
        ("odd_tasks:NoTask", "NoTask is no environment, for it is no subclass of gymnasium.Env"),
        ("odd_tasks:nothing", "TypeError: The environment must inherit from the gymnasium.Env class, actual class: "),
        ("odd_tasks:failing", r"RuntimeError: no licence \(line \d+ of odd_tasks.py\)"),
        ("gymnasium:Wrapper", "TypeError"),
    ],
)
@pytest.mark.parametrize("make", [make_env, examine, lambda env: GymnasiumVec(env, 1, "async")])
def test_what_makes_no_task_is_named(point, words, make):
    with pytest.raises(UserError, match=rf"^env\.entry_point={point}: .*{words}") as raised:
        make(entry(point))
    assert "\n" not in str(raised.value)


def test_unknown_arguments_are_named():
    with pytest.raises(UserError, match=r"^env\.entry_point=odd_tasks:Slide with env\.kwargs=\{'colour': 'red'\}: T"):
        make_env(entry("odd_tasks:Slide", colour="red"))
