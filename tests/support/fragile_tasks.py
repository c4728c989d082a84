"""Tasks that only a subprocess knows, as `fragile_tasks:Fragile-v0`."""

import ctypes
import pathlib
import signal

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box


class Fragile(gym.Env):
    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)
    taken = 0  # steps since the last seed

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.taken = 0, self.taken if seed is None else 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.taken, self.steps = self.taken + 1, self.steps + 1
        reward = float("nan") if self.taken > 75 else 1.0
        return np.zeros(3, np.float32), reward, False, self.steps == 5, {}


class Stuck(Fragile):
    """Once a file is there, its steps never come back from C, where no Python code of the main thread runs."""

    def __init__(self, once):
        self.once = pathlib.Path(once)

    def step(self, action):
        if self.once.exists():
            signal.signal(signal.SIGINT, lambda *_: None)  # it may come before the lock is asked for
            print("STUCK", flush=True)
            lock, pthread = ctypes.create_string_buffer(64), ctypes.CDLL(None)
            pthread.pthread_mutex_lock(lock)
            pthread.pthread_mutex_lock(lock)
        return np.zeros(3, np.float32), 1.0, False, False, {}


gym.register("Fragile-v0", Fragile)
gym.register("Stuck-v0", Stuck)
