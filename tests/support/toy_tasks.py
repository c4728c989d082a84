"""Tasks of this process: a noisy point, a corridor, and a point whose faults can be chosen."""

import os
import signal
import time
from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Discrete, Text
from panel import Panel

from rl_decay.envs import repeatable


class Push(gym.Env):
    """A noisy point pushed by `size` forces, for `length` steps or until it is too far away.

    From step `after` on, copies whose reset seed is in `poison` return a `what` (reward or observation) of NaN.
    """

    # reset seeds of all copies in this process, in the order they came, but for the examination before training
    resets: ClassVar[list[int | None]] = []

    def __init__(self, size=1, length=12, poison=(), after=0, what="reward"):
        self.observation_space = Box(-np.inf, np.inf, (5,))
        self.action_space = Box(-2.0, 2.0, (size,))
        self.length, self.poison, self.after, self.what = length, poison, after, what
        self.poisoned = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            Push.resets += [seed] if seed != repeatable.SEED else []
            self.poisoned, self.total = seed in self.poison, 0
        self.steps, self.x = 0, self.np_random.normal(size=5)
        return self.x.astype(np.float32), {}

    def step(self, action):
        assert np.isfinite(action).all(), "an action that is not finite"
        self.steps, self.total = self.steps + 1, self.total + 1
        self.x = 0.9 * self.x + 0.1 * action.sum() + 0.1 * self.np_random.normal(size=5)
        bad = self.poisoned and self.total > self.after
        obs = self.x.astype(np.float32) * (np.nan if bad and self.what == "observation" else 1)
        reward = np.nan if bad and self.what == "reward" else 1 - float(self.x @ self.x) / 5
        return obs, reward, bool(abs(self.x[0]) > 2), self.steps >= self.length, {}


class Corridor(gym.Env):
    """Cells 3..6, actions -1 and 0 (back and forth); over at cell 6, or after 9 steps."""

    def __init__(self):
        self.observation_space = Discrete(4, start=3)
        self.action_space = Discrete(2, start=-1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.cell = 0, int(self.np_random.integers(3, 5))
        return self.cell, {}

    def step(self, action):
        assert action in (-1, 0)
        self.steps += 1
        self.cell = max(3, self.cell + (1 if action == 0 else -1))
        return self.cell, float(self.cell == 6), self.cell == 6, self.steps >= 9, {}


class Faulty(gym.Env):
    """A noisy point of 3 numbers. From step `after` on, `how` happens to copies whose reset seed is in `seeds` (None:
    to all), unless the task is `whole`; a fault of `reset` happens at once, as one of the `constructor` does.
    """

    whole: ClassVar[bool] = False  # the task has been repaired

    def __init__(self, how="nothing", after=20, seeds=None):
        self.observation_space = Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = Box(-1, 1, (1,), np.float32)
        self.how, self.after, self.seeds, self.total, self.faulty = how, after, seeds, 0, False
        if how == "constructor":
            raise RuntimeError("the simulator has no licence")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.total, self.faulty = 0, not Faulty.whole and (self.seeds is None or seed in self.seeds)
        if self.faulty and self.how == "reset":
            raise RuntimeError("the simulator is out of fuel")
        self.steps, self.x = 0, self.np_random.normal(size=3)
        return self.x.astype(np.float32), {}

    def step(self, action):
        self.total, self.steps = self.total + 1, self.steps + 1
        self.x = 0.9 * self.x + 0.1 * action.sum() + 0.1 * self.np_random.normal(size=3)
        sound = self.x.astype(np.float32), 1 - float(self.x @ self.x) / 3, bool(abs(self.x[0]) > 2), self.steps >= 5, {}
        return self._fault(sound) if self.faulty and self.total > self.after else sound

    def _fault(self, sound):
        obs, reward, *rest = sound
        observations = {
            "nan observation": obs * np.nan,
            "inf observation": obs * np.inf,
            "long observation": np.zeros(4, np.float32),
            "short observation": np.zeros(1, np.float32),
            "square observation": np.zeros((3, 3), np.float32),
            "float64 observation": obs.astype(np.float64),
            "int observation": np.arange(3),
            "object observation": np.array([object()] * 3),
            "string observation": np.array(["a", "b", "c"]),
            "no observation": None,
        }
        rewards = {
            "nan reward": float("nan"),
            "inf reward": float("-inf"),
            "array reward": np.array([1.0, 2.0]),
            "no reward": None,
            "string reward": "much",
        }
        if self.how == "step":
            raise RuntimeError("the simulator is out of fuel")
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "four values":
            return sound[:4]
        return observations.get(self.how, obs), rewards.get(self.how, reward), *rest


class Spoken(gym.Env):
    """A task that describes what it sees in words, which no network here reads."""

    observation_space = Text(20)
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return "a wall", {}

    def step(self, action):
        return "a door", 1.0, False, True, {}


gym.register("tests/Spoken-v0", Spoken, disable_env_checker=True)
gym.register("tests/Push-v0", Push, disable_env_checker=True)
gym.register("tests/Corridor-v0", Corridor, disable_env_checker=True)
gym.register("tests/Faulty-v0", Faulty, disable_env_checker=True)
gym.register("tests/Panel-v0", Panel, disable_env_checker=True)
