"""Sweeps of tiny runs, through train.py."""

import json
from pathlib import Path

import commands
import compared_runs
import pytest
from small_runs import small_words


@pytest.fixture(scope="session")
def tiny():
    """Overrides of a multirun into `sweep`: runs of three iterations of 32 steps, an evaluation after each."""
    return ("-m", "compare=none", "hydra.sweep.dir=sweep", "total_steps=96", *small_words())


@pytest.fixture
def breaking(monkeypatch, tmp_path):
    """Make `sweep_tasks` importable in worker processes too."""
    monkeypatch.setenv("PYTHONPATH", commands.environment(tmp_path)["PYTHONPATH"])


@pytest.fixture(scope="session")
def summaries():
    """The summaries below a sweep's folder, by job folder's name."""
    return lambda sweep: {job.name: said(job) for job in sorted(Path(sweep).glob("*/"))}


def said(folder):
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="session")
def differences():
    """What two folders of the same run, by whatever launcher, do not have in common; speed is no result."""
    return lambda *folders: compared_runs.different(*map(compared_runs.launched, folders))
