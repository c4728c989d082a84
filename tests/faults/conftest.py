"""Runs that were disturbed: what SIGKILL leaves of them, tasks that break, and what two runs have in common."""

import shutil
from pathlib import Path

import pytest
from commands import Ended, as_it_was
from compared_runs import events, recorded_differences
from small_runs import RICH, rich_config, small_words
from toy_tasks import Faulty
from trained import train_configs

from rl_decay import resume
from rl_decay.config.schema import Config
from rl_decay.training.population import Result


@pytest.fixture
def repaired(monkeypatch):
    """Call it to repair the task in this process."""
    return lambda: monkeypatch.setattr(Faulty, "whole", True)


@pytest.fixture(scope="session")
def small():
    """A configuration of eight iterations of 32 steps; keys are written with two underscores: algo__clip=0.1."""
    return rich_config


@pytest.fixture(scope="session")
def words():
    """The same configuration as words for train.py."""
    rates = {"actor.lr": 3e-4, "critic.lr": 3e-4}  # the schema's own; env=generic has others
    return lambda **values: ["env=generic", *small_words(RICH | rates, **values)]


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
        with as_it_was():
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
    return recorded_differences


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
