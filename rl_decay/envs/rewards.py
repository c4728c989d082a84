"""Rewards that are an array or a list of one number."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from rl_decay.errors import one_line


class OneNumberReward(gym.Wrapper):
    """A task whose rewards are arrays or lists of exactly one number, with that number instead."""

    unpacked = False  # whether such a reward has come

    def step(self, action: Any) -> Any:
        """Step the task."""
        result: Any = self.env.step(action)
        obs, reward, *rest = result
        if reward is None or isinstance(reward, str):  # NumPy would take them for NaN and for a number
            raise ValueError(f"a reward that is not one number: {one_line(repr(reward), 80)}")
        if np.ndim(reward) and np.size(reward) == 1:
            reward, self.unpacked = np.asarray(reward).item(), True
        return obs, reward, *rest
