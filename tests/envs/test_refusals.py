"""Tasks that cannot be trained are the person's mistake: one message that names the task and the way out."""

import time
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from rl_decay.config.schema import Env
from rl_decay.envs.gymnasium_vec import GymnasiumVec, single
from rl_decay.errors import UserError

BOX = Box(-1.0, 1.0, (2,))


class AnySpaces(gym.Env):
    """A task of whatever spaces; its third step, or its second reset, never ends if it `hangs` there."""

    def __init__(self, obs=BOX, action=BOX, hangs=None):
        self.observation_space, self.action_space, self.hangs = obs, action, hangs
        self.resets = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        self.resets += 1
        if self.hangs == "reset" and self.resets == 2:
            time.sleep(3600)
        return self.observation_space.sample(), {}

    def step(self, action):
        self.steps += 1
        if self.hangs == "step" and self.steps == 3:
            time.sleep(3600)
        return self.observation_space.sample(), 0.0, False, False, {}


gym.register("tests/AnySpaces-v0", AnySpaces, disable_env_checker=True)


def task(**kwargs):
    rescale = kwargs.pop("rescale", False)
    return Env(id="tests/AnySpaces-v0", kwargs=kwargs, rescale_actions=rescale)


@pytest.mark.parametrize("obs", [Dict({"a": BOX}), Tuple((BOX, BOX)), MultiDiscrete([2, 3]), MultiBinary(3)])
def test_observation_spaces(obs):
    with pytest.raises(UserError, match=r"env\.id=tests/AnySpaces-v0: observation space .* Box or Discrete"):
        GymnasiumVec(task(obs=obs), 2)


@pytest.mark.parametrize(
    "action", [MultiDiscrete([2, 3]), MultiBinary(3), Tuple((BOX,)), Dict({"a": BOX}), Box(0, 9, (2,), np.int64)]
)
def test_action_spaces(action):
    with pytest.raises(UserError, match=r"env\.id=tests/AnySpaces-v0: action space .* Box or Discrete"):
        GymnasiumVec(task(action=action), 2)


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("action", [Box(-np.inf, 1.0, (2,)), Discrete(2)])
def test_rescaling_needs_finite_bounds(vec, action):
    with pytest.raises(UserError, match=r"env\.rescale_actions=true: tests/AnySpaces-v0 .* env\.rescale_actions=false"):
        GymnasiumVec(task(action=action, rescale=True), 1, vec)


@pytest.mark.parametrize("env_id", ["NoSuchTask-v0", "CartPole-v999", "no_such_module:Task-v0", "not an id"])
@pytest.mark.parametrize("make", [lambda env: GymnasiumVec(env, 1), single])
def test_unknown_tasks(env_id, make):
    with pytest.raises(UserError, match=f"env.id={env_id}"):
        make(Env(id=env_id))


def test_unknown_arguments():
    with pytest.raises(UserError, match=r"env\.kwargs=\{'colour': 'red'\}"):
        GymnasiumVec(Env(id="CartPole-v1", kwargs={"colour": "red"}), 1)


def test_a_hanging_task_is_given_up_after_its_timeout():
    env = task(hangs="step")
    env.timeout = 0.5
    started = time.monotonic()
    with closing(GymnasiumVec(env, 2, "async")) as envs:
        envs.reset([1, 2])
        idle = np.zeros((2, 2), np.float32)
        envs.step(idle)
        envs.step(idle)
        with pytest.raises(UserError, match=r"env\.timeout=0\.5: a step of tests/AnySpaces-v0 took longer"):
            envs.step(idle)
    assert time.monotonic() - started < 20


def test_a_hanging_reset_is_given_up_too():
    env = task(hangs="reset")
    env.timeout = 0.5
    with closing(GymnasiumVec(env, 2, "async")) as envs:
        envs.reset([1, 2])
        with pytest.raises(UserError, match=r"env\.timeout=0\.5: a reset of tests/AnySpaces-v0 took longer"):
            envs.reset([3, 4])
