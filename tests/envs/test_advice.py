"""What the plan tells of a task's spaces."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from rl_decay.config.schema import Env
from rl_decay.envs.advice import advice
from rl_decay.envs.examine import examine
from rl_decay.envs.observations import Flattening


class Levers(gym.Env):
    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(0, 100, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.zeros(3, np.float32), 0.0, False, False, {}


gym.register("tests/Levers-v0", Levers, disable_env_checker=True)
STATE = Box(-np.inf, np.inf, (4,), np.float32)


def advice_on(env, obs_space, action_space) -> list[tuple[str, str]]:
    return list(advice(env, Flattening(env.id, obs_space).parts, action_space))


def labels(obs_space, action_space, **values) -> list[str]:
    return [label for label, _ in advice_on(Env(id="Mine-v0", **values), obs_space, action_space)]


@pytest.mark.parametrize(
    "low, high, far",
    [
        (-1, 1, False),
        (-2, 2, False),  # Pendulum
        (-0.4, 0.4, False),  # Humanoid
        (0, 1, False),  # CarRacing's pedals
        (-5, 5, False),
        (0, 100, True),
        (-50, 50, True),
        (-0.01, 0.01, True),
        (3, 4, True),
        (-4, -3, True),
        (-np.inf, np.inf, False),
        (0, np.inf, False),
        (-3.4e38, 3.4e38, False),  # written for none
    ],
)
def test_finite_bounds_far_from_those_of_a_new_policy_name_the_key(low, high, far):
    space = Box(low, high, (2,), np.float32)
    assert labels(STATE, space) == (["action bounds"] if far else [])
    assert labels(STATE, space, rescale_actions=True) == []
    assert list(advice(Env(), Flattening("Mine-v0", STATE).parts, space, "tanh")) == []
    if far:
        ((_, text),) = advice_on(Env(id="Mine-v0"), STATE, space)
        assert f"[{low:g}, {high:g}]" in text and "env.rescale_actions=true" in text and "net.squash=tanh" in text


def test_one_dimension_of_an_action_is_enough():
    space = Box(np.array([-1, 0], np.float32), np.array([1, 100], np.float32))
    ((_, text),) = advice_on(Env(), STATE, space)
    assert "[0, 100]" in text


def test_images_and_very_long_observations_are_told():
    push = Discrete(2)
    ((label, text),) = advice_on(Env(), Box(0, 255, (210, 160, 3), np.uint8), push)
    assert label == "pixels" and "flattened pixels, no CNN" in text
    assert "210 x 160 x 3" in text and "100,800 inputs" in text
    assert labels(Box(0, 255, (128,), np.uint8), push) == []  # a memory, not an image
    assert labels(Box(0, 1, (10_000,), np.float32), push) == []
    assert labels(Box(0, 1, (10_001,), np.float32), push) == ["observations"]
    assert labels(Discrete(50), push) == []


def test_training_asks_for_it():
    assert examine(Env(id="tests/Push-v0")).notes == ()
    ((label, _),) = examine(Env(id="tests/Levers-v0")).notes
    assert label == "action bounds"
