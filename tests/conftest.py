"""Fixtures of every room: small configurations, populations of them, and train.py."""

import contextlib
import itertools
import os
import signal
import subprocess
import sys

import compared_runs
import pytest
from commands import TRAIN, environment, typed
from commands import train_in as train_in_folder
from small_runs import small_config
from toy_tasks import Push
from trained import train_configs

from rl_decay.config.schema import Config
from rl_decay.runs import layout
from rl_decay.training.population import Result

collect_ignore = ["support"]  # modules that tests import, once, by their own name
MAY_SKIP = ("slow", "gpu", "browser", "dmc")
# A process that a shell started in the background ignores Ctrl-C, one that `nohup` started a closed terminal; so would
# all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def push():
    """The task that can be poisoned and that remembers its reset seeds."""
    Push.resets.clear()
    return Push


@pytest.fixture
def configure():
    """A small configuration of four iterations; keys are written with two underscores: algo__clip=0.1."""
    return small_config


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
        first, second = compared_runs.learned(one.folder), compared_runs.learned(other.folder)
        return compared_runs.different(first, second, ignore)

    return compare


@pytest.fixture
def columns():
    """The cells of a run's metrics.csv as they are written, by column."""
    return lambda result: compared_runs.table(result.folder / layout.METRICS_CSV)


@pytest.fixture(scope="session")
def train_in():
    """Run train.py in a folder, inside this process: train_in(folder, *arguments) -> Ended."""
    return train_in_folder


@pytest.fixture
def train_py(tmp_path):
    """Run train.py in `tmp_path`, inside this process: train_py(*arguments) -> Ended."""
    return lambda *arguments: train_in_folder(tmp_path, *arguments)


@pytest.fixture
def shell(tmp_path):
    """Run train.py as a person does: shell(*arguments) -> Ended."""
    return lambda *arguments: typed(tmp_path, TRAIN, *arguments)


@pytest.fixture
def started(tmp_path):
    """Start train.py in a process group of its own; whatever is left of it is killed."""
    processes = []

    def start(*arguments: str) -> subprocess.Popen:
        command = [sys.executable, str(TRAIN), *arguments]
        options = {"cwd": tmp_path, "env": environment(tmp_path), "start_new_session": True, "text": True}
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options))
        return processes[-1]

    yield start
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """In CI a test may be left out by its marker only: a skip would look like a pass."""
    report = yield
    if os.environ.get("CI") and report.skipped and not any(item.get_closest_marker(name) for name in MAY_SKIP):
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
    return report
