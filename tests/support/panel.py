"""A task whose observations and actions have parts of every kind: show a policy what to do, and reward it for that."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

ACTIONS = {
    "dials": MultiDiscrete([3, 5], start=[1, -2]),
    "knobs": MultiDiscrete([3, 2, 7, 2, 2, 1, 5, 5, 5, 3, 2, 2, 2, 2, 2, 2, 2]),
    "switches": MultiBinary(2),
    "matrix": MultiBinary((2, 1)),
    "button": Discrete(3, start=1),
    "levers": Box(-1, 1, (2,), np.float32),
}
OBSERVATIONS = {
    "nested": Dict(
        {
            "target": MultiDiscrete([3, 5], start=[1, -2]),
            "lamps": MultiBinary(2),
            "gauge": Tuple((Box(-10, 10, (2, 1), np.float64), Discrete(3, start=-1))),
        }
    ),
    "tuple": Tuple((MultiDiscrete([3, 5], start=[1, -2]), MultiBinary(2))),
    "lamps": MultiBinary(2),
    "target": MultiDiscrete([3, 5], start=[1, -2]),
}


class Panel(gym.Env):
    """Each step shows new targets; the reward is the share of an action's components that show the same.

    An episode lasts 8 steps, or ends by a lottery after each. From step `after` on, copies whose reset seed is in
    `poison` show a gauge of NaN.
    """

    def __init__(self, obs: str = "nested", action: str = "button", poison=(), after: int = 0):
        self.observation_space = OBSERVATIONS[obs]
        self.action_space = ACTIONS[action]
        self.obs = obs
        self.action = action
        self.poison = poison
        self.after = after
        self.poisoned = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        if seed is not None:
            self.poisoned = seed in self.poison
            self.total = 0
        return self._shown(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        wanted = {"dials": self.target, "button": self.target[0], "knobs": 1}.get(self.action, self.lamps)
        reward = np.mean(np.abs(np.ravel(action) - np.ravel(wanted)) < 0.5)
        self.steps += 1
        self.total += 1
        lost = bool(self.np_random.random() < 0.05)
        return self._shown(), float(reward), lost, self.steps >= 8, {}

    def _shown(self):
        self.target = self.np_random.integers([1, -2], [4, 3])
        self.lamps = self.np_random.integers(0, 2, 2, np.int8)
        pressure = self.np_random.normal(size=(2, 1))
        if self.poisoned and self.total > self.after:
            pressure[1] = np.nan
        gauge = pressure, int(self.np_random.integers(-1, 2))
        shown = {"target": self.target, "lamps": self.lamps, "gauge": gauge}
        return {"nested": shown, "tuple": (self.target, self.lamps)}.get(self.obs, shown.get(self.obs))
