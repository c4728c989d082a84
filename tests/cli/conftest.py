"""`python train.py`: inside this process where that is enough, which saves the seconds that PyTorch takes to import."""

import contextlib
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = (
    "env.num_envs=2",
    "algo.num_steps=16",
    "algo.minibatches=2",
    "evaluation.episodes=2",
    "net.hidden=[16,16]",
    "device=cpu",
)
TASKS = '''
"""Tasks that only a subprocess knows."""
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
'''


SAFETY = 600.0  # seconds; ends a test that hangs, and decides nothing else


def until(event, process):
    """Wait until event() is true while a process lives."""
    end = time.monotonic() + SAFETY
    while not event():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the event does not come"
        time.sleep(0.05)


@dataclass
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def refused(self, *words: str) -> None:
        """Assert: exit code 1 and a single line of error that has these words."""
        assert self.code == 1, self
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        assert "Traceback" not in self.out
        for word in words:
            assert word in lines[0], (word, lines[0])


@pytest.fixture(scope="session")
def small():
    """Overrides that make an iteration 32 steps of a small network."""
    return SMALL


@pytest.fixture(scope="session")
def train_in():
    """Run train.py in a folder, inside this process: train_in(folder, *arguments) -> Ended."""
    return _train_in


@pytest.fixture
def train_py(tmp_path):
    """Run train.py in `tmp_path`, inside this process: train_py(*arguments) -> Ended."""
    return lambda *arguments: _train_in(tmp_path, *arguments)


@pytest.fixture
def shell(tmp_path):
    """Run train.py as a person does: shell(*arguments) -> Ended."""

    def run(*arguments: str) -> Ended:
        command = [sys.executable, str(TRAIN), *arguments]
        ended = subprocess.run(command, cwd=tmp_path, env=_environment(tmp_path), capture_output=True, text=True)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def started(tmp_path):
    """Start train.py in a process group of its own, `tasks:Fragile-v0` included; whatever is left of it is killed."""
    (tmp_path / "tasks.py").write_text(TASKS)
    processes = []

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, str(TRAIN), *arguments]
        options = {"cwd": tmp_path, "env": _environment(tmp_path), "start_new_session": True, "text": True}
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture(scope="session", name="until")
def until_fixture():
    """Wait for an event while a process lives: until(event, process)."""
    return until


@pytest.fixture
def files():
    """Everything below a folder, byte by byte."""
    return lambda folder: {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}


def _train_in(folder: Path, *arguments: str, main: Callable[[list[str]], int] | None = None) -> Ended:
    """Run train.py, or the `main` of another command, as if it had been typed in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with _as_it_was(), contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ["train.py", *arguments]
        try:
            if main is None:
                runpy.run_path(str(TRAIN), run_name="__main__")
            else:
                code = main(list(arguments))
        except SystemExit as end:
            code = end.code or 0
        except KeyboardInterrupt:  # it would end the tests; the interpreter prints a traceback
            code = -signal.SIGINT
        except Exception:
            code = 1
            traceback.print_exc()
    return Ended(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _as_it_was():
    """Put back what Hydra changes in a process that it takes for its own."""
    argv, full_error, root = sys.argv, os.environ.get("HYDRA_FULL_ERROR"), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        GlobalHydra.instance().clear()
