"""Runs that were disturbed: what SIGKILL leaves of them, tasks that break, and what two runs have in common."""

import importlib.util
import os
import shutil
import signal
import time
from pathlib import Path
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from trained import train_configs

from rl_decay import resume
from rl_decay.config.schema import Config, unflat
from rl_decay.runs import layout
from rl_decay.training import checkpoints
from rl_decay.training.population import Result

CLI = Path(__file__).parents[1] / "cli" / "conftest.py"
_spec = importlib.util.spec_from_file_location("running_train_py_for_faults", CLI)
assert _spec is not None and _spec.loader is not None
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
train_in, train_py, started, Ended = _cli.train_in, _cli.train_py, _cli.started, _cli.Ended
until_fixture = _cli.until_fixture

STEPS = 32  # of an iteration: 2 environments of 16 steps
SMALL = {
    "env.id": "tests/Faulty-v0",
    "env.num_envs": 2,
    "algo.num_steps": 16,
    "algo.epochs": 2,
    "algo.minibatches": 2,
    "net.hidden": [8],
    "normalize.obs": True,
    "normalize.reward": True,
    "evaluation.episodes": 2,
    "evaluation.early": 2,
    "evaluation.late": 2,
    "segments": 2,
    "checkpoint.every": 3,  # neither a segment nor a divisor of one
    "total_steps": 8 * STEPS,
    "device": "cpu",
}


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


gym.register("tests/Faulty-v0", Faulty, disable_env_checker=True)


@pytest.fixture
def repaired(monkeypatch):
    """Call it to repair the task in this process."""
    return lambda: monkeypatch.setattr(Faulty, "whole", True)


@pytest.fixture(scope="session")
def small():
    """A configuration of eight iterations of 32 steps; keys are written with two underscores: algo__clip=0.1."""
    return lambda **values: unflat(SMALL | {key.replace("__", "."): value for key, value in values.items()})


@pytest.fixture(scope="session")
def words():
    """The same configuration as words for train.py."""

    def typed(**values) -> list[str]:
        rates = {"actor.lr": 3e-4, "critic.lr": 3e-4}  # the schema's own; env=generic has others
        values = SMALL | rates | {key.replace("__", "."): value for key, value in values.items()}
        return ["env=generic", *(f"{key}={_text(value)}" for key, value in values.items())]

    return typed


def _text(value) -> str:
    return str(value).replace(" ", "") if isinstance(value, (list, dict)) else str(value)


class Watching:
    """A display that copies folders in the middle of an iteration, before it is saved, or asks to stop after it."""

    def __init__(self, copies=None, stop_after=None):
        self.copies, self.stop_after = copies or {}, stop_after  # {iteration: [(from, to)]}

    def iteration(self, iteration, runs, scalars, evaluated):
        for source, target in self.copies.get(iteration, ()):
            shutil.copytree(source, target)
        return "a test" if iteration == self.stop_after else None


@pytest.fixture(scope="session")
def killed():
    """Train undisturbed in `folder`/whole; copy what SIGKILL in an iteration would leave to `folder`/left.

    killed(folder, config, iteration) -> (the undisturbed Result, the folder left)
    """

    def run(folder: Path, config: Config, iteration: int) -> tuple[Result, Path]:
        whole, left = folder / "whole", folder / "left"
        watching = Watching({iteration: [(whole, left)]})
        (result,) = train_configs([config], [whole], show=lambda *_: watching)
        return result, left

    return run


@pytest.fixture(scope="session")
def stopped():
    """Train and stop in order after an iteration: stopped(folder, config, iteration) -> folder."""

    def run(folder: Path, config: Config, iteration: int) -> Path:
        (result,) = train_configs([config], [folder], show=lambda *_: Watching(stop_after=iteration))
        assert result.status == "interrupted"
        return folder

    return run


@pytest.fixture(scope="session")
def once(small, killed, tmp_path_factory):
    """A run, once whole and once killed in iteration 6, so that it continues from 3; copy it, do not change it."""
    return killed(tmp_path_factory.mktemp("once"), small(), 6)


@pytest.fixture
def left(once, tmp_path):
    """A copy of what was left of the killed run."""
    return Path(shutil.copytree(once[1], tmp_path / "mine"))


@pytest.fixture
def whole(once):
    """The folder of the run that was not disturbed."""
    return once[0].folder


@pytest.fixture
def resumed(capfd):
    """Run `python -m rl_decay.resume` inside this process: resumed(*arguments) -> Ended."""

    def run(*arguments):
        capfd.readouterr()
        with _cli._as_it_was():
            code = resume.main([str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run


@pytest.fixture(scope="session")
def files():
    """Everything below a folder, byte by byte, without log files."""

    def read(folder: Path) -> dict[str, bytes]:
        paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    return read


@pytest.fixture(scope="session")
def different():
    """Names of what differs between two folders of one run: different(folder, other) -> list; speed is no result."""

    def compare(one: Path, other: Path) -> list[str]:
        first, second = _left_behind(one), _left_behind(other)
        return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))

    return compare


def _left_behind(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {"scalars": scalars(folder)}
    for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV):
        head, *rows = [line.split(",") for line in (folder / name).read_text().splitlines()]
        found |= {f"{name}/{tag}": tuple(row[i] for row in rows) for i, tag in enumerate(head) if tag != "charts/SPS"}
    for path in (folder / layout.CHECKPOINTS / name for name in (layout.LATEST, layout.BEST)):
        content = checkpoints.load(path)
        found |= {f"{path.name}/{name}": leaf for name, leaf in _leaves(content["agent"])}
        found[f"{path.name}/iteration"] = content["iteration"]
    return found


def _leaves(state, name="agent"):
    if isinstance(state, dict):
        for key, value in state.items():
            yield from _leaves(value, f"{name}/{key}")
    else:
        yield name, state.numpy().tobytes()


def events(folder: Path):
    """The TensorBoard events of a run, file after file as TensorBoard reads them."""
    for path in sorted(folder.glob(f"{layout.EVENTS}*")):
        yield from LegacyEventFileLoader(str(path)).Load()


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """(step, tag, value) in the order of the files."""
    return [
        (event.step, value.tag, value.simple_value)
        for event in events(folder)
        for value in event.summary.value
        if value.HasField("simple_value") and value.tag != "charts/SPS"
    ]


@pytest.fixture(scope="session")
def notes():
    """The texts of a run's TensorBoard page: {tag: [text]}."""

    def read(folder: Path) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for event in events(folder):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    found.setdefault(value.tag, []).append(value.tensor.string_val[0].decode())
        return found

    return read
