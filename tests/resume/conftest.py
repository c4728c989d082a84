"""Runs that are killed and continued, and what they leave."""

import io
import os
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import compared_runs
import pytest
from killed_processes import killed_in_fork
from small_runs import SAVED_OFTEN, small_config, small_words
from trained import train_configs

from rl_decay.runs import layout
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.sweep import Options, Sweep
from rl_decay.training.start_point import find_start_point


@pytest.fixture(scope="session")
def tiny():
    """Overrides of runs of five iterations of 32 steps, saved after 2, 4 and 5."""
    saved = ("checkpoint.every=2", "checkpoint.keep=2", "evaluation.early=1", "evaluation.late=1")
    return ("total_steps=160", *small_words(), *saved)


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """What a dead process wrote is safe with the kernel, so nothing here waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def little():
    """A run of seven iterations that is saved after iterations 2, 4, 6 and 7, with everything that can be restored."""
    return lambda **values: small_config(SAVED_OFTEN, **values)


@pytest.fixture(scope="session")
def killed():
    """Work in a fork that dies `at` its n-th state of the disk, or by a signal `after` so many seconds; True if so."""
    return killed_in_fork


@pytest.fixture(scope="session")
def go_on():
    """Train configurations in their folders as far as they are not: as a sweep, because they may be unequally far."""

    def train(configs, folders) -> None:
        jobs = [Job(n, c, f, ()) for n, (c, f) in enumerate(zip(configs, folders, strict=True))]
        with redirect_stdout(io.StringIO()):
            assert Sweep(jobs, Options(workers=1), folders[0].parent).train()
        ended = [read_summary(folder) for folder in folders]
        assert {(said["status"], said["reason"]) for said in ended} == {(layout.FINISHED, None)}

    return train


@pytest.fixture(scope="session")
def train_all():
    """Train configurations as one population, or as many as it takes where they have come unequally far."""

    def train(configs, folders) -> None:
        groups: dict[object, list[int]] = {}
        for m, (config, folder) in enumerate(zip(configs, folders, strict=True)):
            start = find_start_point(Job(m, config, folder), RunFolder(folder))
            groups.setdefault((start.nothing_left, start.resume_point), []).append(m)
        for group in groups.values():
            train_configs([configs[m] for m in group], [folders[m] for m in group])

    return train


@pytest.fixture(scope="session")
def differences():
    """What two folders of the same run do not have in common; what the clock says is no result."""
    undisturbed = cache(compared_runs.continued)  # one run is compared with many continuations

    def compare(one: Path, other: Path, ignore: tuple[str, ...] = ()) -> list[str]:
        return compared_runs.different(undisturbed(one), compared_runs.continued(other), ignore)

    return compare
