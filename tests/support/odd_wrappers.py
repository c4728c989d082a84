"""Wrappers named by import path, each odd in one way."""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.wrappers import NormalizeObservation, TimeLimit


class Counting(gym.Wrapper):
    """Adds the number of resets and steps since it was made to every number of an observation."""

    def __init__(self, env, scale=0.01):
        super().__init__(env)
        self.count, self.scale = 0, scale

    def reset(self, **arguments):
        obs, info = self.env.reset(**arguments)
        return self._counted(obs), info

    def step(self, action):
        obs, *rest = self.env.step(action)
        return self._counted(obs), *rest

    def _counted(self, obs):
        self.count += 1
        return (obs + self.scale * self.count).astype(np.float32)


class Lengthening(gym.Wrapper):
    """Changes the task inside it: episodes of tests/Push-v0 get one step longer."""

    def __init__(self, env):
        super().__init__(env)
        env.unwrapped.length += 1


class Drawing(gym.ObservationWrapper):
    """Draws from NumPy's global generator when it is made."""

    def __init__(self, env):
        super().__init__(env)
        self.offset = np.random.normal()

    def observation(self, observation):
        return (observation + self.offset).astype(np.float32)


class Failing(gym.Wrapper):
    """Cannot be made."""

    def __init__(self, env, error=RuntimeError):
        super().__init__(env)
        raise RuntimeError("no fuel")


class Exiting(gym.Wrapper):
    """Ends the program."""

    def __init__(self, env):
        raise SystemExit(3)


class Bare(gym.Wrapper):
    """Forgets the task that it wraps."""

    def __init__(self, env):
        pass


class Nested(gym.ObservationWrapper):
    """Puts the observation into a sequence, which no network takes."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gym.spaces.Sequence(env.observation_space)

    def observation(self, observation):
        return (observation,)


class Unnested(gym.ObservationWrapper):
    """Takes an observation out of the sequence."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = env.observation_space.feature_space

    def observation(self, observation):
        return observation[0]


class WholeActions(gym.ActionWrapper):
    """Takes actions that are whole numbers in a Dict."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = Dict({"push": Discrete(3)})

    def action(self, action):
        return np.full(self.env.action_space.shape, action["push"], np.float32)


class Negated(gym.RewardWrapper):
    """Turns rewards around."""

    def reward(self, reward):
        return -float(reward)


class Breaking(gym.Wrapper):
    """Its steps fail."""

    def step(self, action):
        raise ValueError("the wrapper broke")


class OwnNormaliser(NormalizeObservation):
    """A subclass of a wrapper that is refused."""


class OwnLimit(TimeLimit):
    """A subclass of a wrapper that is refused."""


class NoWrapper(gym.Env):
    """A task."""

    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Discrete(2)


def function(env):
    """No class."""
    raise AssertionError("called before it was checked")


MADE = []


class Unasked:
    """No wrapper; remembers whether it was called."""

    def __init__(self, env):
        MADE.append(env)
