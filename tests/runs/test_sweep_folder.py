"""Which runs belong to a sweep's folder."""

import pytest

from rl_decay.config.schema import Config, flat
from rl_decay.runs.jobs import write_jobs
from rl_decay.runs.layout import SUMMARY
from rl_decay.runs.sweep_folder import run_folders, runs_below, sweep_above


def a_run(folder):
    folder.mkdir(parents=True)
    (folder / SUMMARY).write_text("{}")
    return folder


def listed(sweep, *names):
    keys = {"overrides": [], "config": flat(Config()), "log_name": "train.log"}
    write_jobs(sweep, [{"folder": name, "number": number, **keys} for number, name in enumerate(names)])


@pytest.fixture
def sweep(tmp_path):
    """A sweep of two jobs, one of which has begun, below folders of their tasks."""
    listed(tmp_path / "sweep", "CartPole-v1/seed0", "Acrobot-v1/seed0")
    a_run(tmp_path / "sweep" / "Acrobot-v1" / "seed0")
    return tmp_path / "sweep"


def test_the_jobs_of_the_list_count_begun_or_not(sweep):
    assert run_folders(sweep) == [sweep / "CartPole-v1" / "seed0", sweep / "Acrobot-v1" / "seed0"]


def test_beside_a_list_a_run_counts_directly_below_only(sweep):
    a_run(sweep / "copied")
    a_run(sweep / "other" / "project" / "run")
    assert run_folders(sweep)[2:] == [sweep / "copied"]


def test_without_chosen_jobs_the_runs_are_found_as_deep_as_they_lie(tmp_path):
    listed(tmp_path)
    deep = a_run(tmp_path / "CartPole-v1" / "actor" / "none" / "seed0")
    a_run(tmp_path / "arms" / "schedule=none")  # made by compare
    a_run(deep / "inside")  # a run holds no runs
    (tmp_path / "CartPole-v1" / "loop").symlink_to(tmp_path)
    assert run_folders(tmp_path) == [deep]


def test_a_folder_without_a_list_holds_the_runs_directly_below(tmp_path):
    a_run(tmp_path / "deeper" / "run")
    assert run_folders(tmp_path) == []
    one = a_run(tmp_path / "one")
    assert run_folders(tmp_path) == [one] == runs_below(tmp_path, 1)
    assert run_folders(tmp_path / "missing") == []


def test_a_folder_between_a_sweep_and_its_jobs_leads_to_the_sweep(sweep, tmp_path):
    for inside in ("CartPole-v1", "CartPole-v1/seed0"):
        assert sweep_above(sweep / inside) == sweep
    for other in (sweep, sweep / "Pendulum-v1", tmp_path):
        assert sweep_above(other) is None
