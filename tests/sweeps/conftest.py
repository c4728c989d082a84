"""Sweeps of tiny runs, through train.py; tasks and a callback that worker processes can import."""

import importlib.util
import json
import os
from pathlib import Path

import pytest

CLI = Path(__file__).parents[1] / "cli" / "conftest.py"
MODULE = '''
"""Tasks that break, and a callback that remembers."""
import glob
import json
import os
import shutil

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from hydra.experimental.callback import Callback


class Breaking(gym.Env):
    """Fine for 40 steps of all copies in this process, and for the 504 of the examination before training; then it
    raises, or ends the process with exit code 3.
    """

    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)
    taken = 0

    def __init__(self, how="raise"):
        self.how = how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        Breaking.taken, self.steps = Breaking.taken + 1, self.steps + 1
        if Breaking.taken > 544:
            if self.how == "exit":
                os._exit(3)
            raise OSError("the simulator is out of fuel")
        return np.zeros(3, np.float32), 1.0, False, self.steps == 5, {}


class Recorder(Callback):
    """Append what Hydra says of each job to calls.jsonl in the current folder."""

    def on_job_start(self, config, *, task_function, **kwargs):
        self._write("start", config.hydra.job.num, config.seed, config.hydra.runtime.output_dir, task_function.__name__)

    def on_job_end(self, config, job_return, **kwargs):
        job = config.hydra.job.num
        self._write("end", job, config.seed, job_return.return_value, [job_return.cfg.seed, job_return.status.name])

    def on_multirun_end(self, config, **kwargs):
        self._write("multirun_end")

    def _write(self, *row):
        with open("calls.jsonl", "a") as file:
            file.write(json.dumps(row) + "\\n")


class Removing(Breaking):
    """Once the folders that VICTIMS names hold a checkpoint it removes them and goes on, raises or leaves."""

    def step(self, action):
        Breaking.taken = 0
        victims = glob.glob(os.environ["VICTIMS"])
        if any(os.path.exists(f"{folder}/checkpoints/best.pt") for folder in victims):
            if self.how == "leave":
                raise SystemExit(0)
            if self.how == "leave at once":
                os._exit(0)
            for folder in victims:
                shutil.rmtree(folder)
            if self.how == "remove and raise":
                raise OSError("the simulator is out of fuel")
        return super().step(action)


class Choosy(Breaking):
    """Raises after 40 steps, in copies whose reset seed is among `seeds` alone."""

    def __init__(self, seeds=()):
        super().__init__()
        self.seeds = seeds

    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.total, self.breaks = 0, seed in self.seeds
        return super().reset(seed=seed)

    def step(self, action):
        Breaking.taken, self.total = 0, self.total + 1
        if self.breaks and self.total > 40:
            raise OSError("the simulator is out of fuel")
        return super().step(action)


gym.register("Choosy-v0", Choosy, disable_env_checker=True)
gym.register("Removing-v0", Removing, disable_env_checker=True)
gym.register("Raising-v0", Breaking, disable_env_checker=True)
gym.register("Exiting-v0", Breaking, disable_env_checker=True, kwargs={"how": "exit"})
'''

_spec = importlib.util.spec_from_file_location("running_train_py", CLI)
assert _spec is not None and _spec.loader is not None
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
shell, started, train_in, train_py = _cli.shell, _cli.started, _cli.train_in, _cli.train_py
until_fixture = _cli.until_fixture


@pytest.fixture(scope="session")
def tiny():
    """Overrides of a multirun into `sweep`: runs of three iterations of 32 steps, an evaluation after each."""
    return ("-m", "compare=none", "hydra.sweep.dir=sweep", "total_steps=96", *_cli.SMALL)


@pytest.fixture
def breaking(tmp_path_factory, monkeypatch):
    """Make `sweep_tasks` importable, here and in worker processes."""
    folder = tmp_path_factory.mktemp("importable")
    (folder / "sweep_tasks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))  # for commands in processes of their own


@pytest.fixture(scope="session")
def summaries():
    """The summaries below a sweep's folder, by job folder's name."""
    return lambda sweep: {job.name: said(job) for job in sorted(Path(sweep).glob("*/"))}


def said(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="session")
def differences():
    """What two folders of the same run, by whatever launcher, do not have in common; speed is no result."""
    return _differences


def _differences(one: Path, other: Path) -> list[str]:
    first, second = _left_behind(one), _left_behind(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


def _left_behind(folder: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ("metrics.csv", "evaluations.csv"):
        head, *rows = [line.split(",") for line in (folder / name).read_text().splitlines()]
        assert rows or name != "metrics.csv", f"{folder / name} has no rows"
        columns = {f"{name}/{column}": tuple(row[i] for row in rows) for i, column in enumerate(head)}
        found |= {column: cells for column, cells in columns.items() if not column.endswith("charts/SPS")}
    for name in ("config.yaml", "overrides.yaml"):
        found[name] = (folder / ".hydra" / name).read_text()
    times = ("wall_seconds", "steps_per_second")
    found |= {f"summary.json/{key}": value for key, value in said(folder).items() if key not in times}
    saved = sorted((folder / "checkpoints").glob("*"))
    assert saved or found["summary.json/status"] == "diverged", f"{folder} has no checkpoints"
    for path in saved:
        found |= _leaves(_load(path), path.name)
    changing = ("/sha256", "/run/wall_seconds", "/run/files")  # what the clock says, and lengths of files that name it
    return {name: value for name, value in found.items() if not any(part in name for part in changing)}


def _load(path: Path):
    import torch

    return torch.load(path, weights_only=True)


def _leaves(state, name: str) -> dict[str, object]:
    if isinstance(state, dict):
        return {key: leaf for k, v in state.items() for key, leaf in _leaves(v, f"{name}/{k}").items()}
    return {name: state.numpy().tobytes() if hasattr(state, "numpy") else state}
