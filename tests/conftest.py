"""Tiny tasks, small configurations, and what two runs of them left behind."""

import itertools
import os
import signal
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from panel import Panel
from trained import train_configs

from rl_decay.config.schema import Config
from rl_decay.envs import repeatable
from rl_decay.runs import layout
from rl_decay.training import checkpoints
from rl_decay.training.population import Result

MAY_SKIP = ("slow", "gpu", "browser")
# A process that a shell started in the background ignores Ctrl-C, one that `nohup` started a closed terminal; so would
# all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


gym.register("tests/Push-v0", Push, disable_env_checker=True)
gym.register("tests/Corridor-v0", Corridor, disable_env_checker=True)
gym.register("tests/Panel-v0", Panel, disable_env_checker=True)


@pytest.fixture
def push():
    """The task that can be poisoned and that remembers its reset seeds."""
    Push.resets.clear()
    return Push


@pytest.fixture
def configure():
    """A small configuration of four iterations; keys are written with two underscores: algo__clip=0.1."""

    def small(**values) -> Config:
        config = Config(device="cpu")
        defaults = {
            "env__num_envs": 2,
            "algo__num_steps": 32,
            "algo__epochs": 2,
            "algo__minibatches": 2,
            "net__hidden": [16, 16],
            "evaluation__episodes": 2,
            "evaluation__early": 0,
            "evaluation__late": 1,
            "logger__tensorboard": False,
        }
        for key, value in (defaults | values).items():
            *path, leaf = key.split("__")
            owner = config
            for name in path:
                owner = getattr(owner, name)
            assert hasattr(owner, leaf), key
            setattr(owner, leaf, value)
        if "total_steps" not in values:
            config.total_steps = 4 * config.env.num_envs * config.algo.num_steps
        return config

    return small


@pytest.fixture
def train(tmp_path):
    """Train one population, each member into a new folder; returns the results."""
    numbers = itertools.count()

    def run(*configs: Config) -> list[Result]:
        return train_configs(configs, [tmp_path / f"run{next(numbers)}" for _ in configs])

    return run


@pytest.fixture
def differences():
    """Names of the tensors and columns in which two runs differ in a single bit; the speed is no result."""

    def compare(one: Result, other: Result, ignore: tuple[str, ...] = ()) -> list[str]:
        first, second = left_behind(one.folder), left_behind(other.folder)
        names = [name for name in first.keys() | second.keys() if not name.startswith(("charts/SPS", *ignore))]
        return sorted(name for name in names if first.get(name) != second.get(name))

    return compare


@pytest.fixture
def columns():
    """The cells of a run's metrics.csv as they are written, by column."""
    return lambda result: table(result.folder / layout.METRICS)


def left_behind(folder: Path) -> dict[str, object]:
    """Tables, cell by cell, and the last checkpoint's tensors, byte by byte."""
    latest = folder / layout.CHECKPOINTS / layout.LATEST
    agent = checkpoints.load(latest)["agent"] if latest.exists() else {}
    evaluations = {f"evaluations/{name}": cells for name, cells in table(folder / layout.EVALUATIONS).items()}
    return table(folder / layout.METRICS) | evaluations | dict(leaves(agent))


def table(path: Path) -> dict[str, tuple[str, ...]]:
    head, *rows = [line.split(",") for line in path.read_text().splitlines()]
    return {name: tuple(row[i] for row in rows) for i, name in enumerate(head)}


def leaves(state, name="agent"):
    if isinstance(state, dict):
        for key, value in state.items():
            yield from leaves(value, f"{name}/{key}")
    else:
        yield name, state.numpy().tobytes()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a test may be left out by its marker only: a skip would look like a pass."""
    report = yield
    if os.environ.get("CI") and report.skipped and not any(item.get_closest_marker(name) for name in MAY_SKIP):
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
    return report
