"""Tasks and functions named by `env.entry_point`, none of them registered."""

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete


class Slide(gym.Env):
    """A point that drifts, for `length` steps."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012
    observation_space = Box(-np.inf, np.inf, (3,), np.float32)
    action_space = Discrete(2)

    def __init__(self, length=9, render_mode=None):
        self.length, self.render_mode = length, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.x = 0, self.np_random.normal(size=3)
        return self.x.astype(np.float32), {}

    def step(self, action):
        self.steps += 1
        self.x += 0.1 * (2 * action - 1) + 0.01 * self.np_random.normal(size=3)
        return self.x.astype(np.float32), float(-abs(self.x[0])), False, self.steps == self.length, {}

    def render(self):
        return np.zeros((4, 4, 3), np.uint8)


def made(length=5):
    """A function that makes a task."""
    return Slide(length)


def endless():
    """A task without an end."""
    return Slide(length=-1)


def nothing():
    """No task."""
    return 3


def failing():
    """Fails."""
    raise RuntimeError("no licence")


class NoTask:
    """No environment."""

    def __init__(self):
        raise AssertionError("called before it was checked")


NUMBER = 3
