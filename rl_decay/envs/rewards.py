"""Rewards that are arrays or lists of one number."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from rl_decay.errors import one_line


class OneNumberReward(gym.Wrapper):
    """Replaces a reward that is an array or a list of exactly one number by that number."""

    unpacked = False  # True once a reward had to be replaced

    def step(self, action: Any) -> Any:
        """Step the task."""
        result: Any = self.env.step(action)
        obs, reward, *rest = result
        if reward is None or isinstance(reward, str):  # NumPy would turn None into NaN and "1" into a number
            raise ValueError(f"a reward that is not one number: {one_line(repr(reward), 80)}")
        if np.ndim(reward) and np.size(reward) == 1:
            reward = np.asarray(reward).item()
            self.unpacked = True
        return obs, reward, *rest
