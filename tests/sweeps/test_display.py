"""What a person sees of a sweep while it trains: counts of runs that have ended, and progress as time goes."""

import logging

import pytest

from rl_decay.config.schema import Config
from rl_decay.runs.jobs import Job
from rl_decay.sweeps import display, reporter
from rl_decay.sweeps.display import SweepDisplay
from rl_decay.sweeps.reporter import PopulationEnded, Progress, Reporter


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told otherwise: clock(seconds)."""
    now = [0.0]
    for module in (display, reporter):
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])

    def advance(seconds):
        now[0] += seconds

    return advance


@pytest.fixture
def jobs(tmp_path):
    return [Job(number, Config(seed=number), tmp_path / f"job{number}", ()) for number in range(3)]


def progress(iteration, start=0, ended=0):
    return Progress(0, iteration, 100, start, ended, valid_steps=1000, returns=(1.0, 2.0, 3.0))


def test_runs_that_train_are_not_counted_as_ended(jobs, clock, caplog):
    caplog.set_level(logging.INFO)
    shown = SweepDisplay(jobs, [jobs], 1, lambda config, members: 10**9)
    clock(99.0)
    shown.update(progress(99))  # 99 % of three runs: rounded, all three
    assert caplog.messages[-1].startswith("0 of 3 ended")
    assert caplog.messages[-1].endswith("ETA 1 s")
    clock(11.0)
    shown.update(progress(99, ended=1))
    assert caplog.messages[-1].startswith("1 of 3 ended")
    clock(11.0)
    shown.update(PopulationEnded(0))
    assert caplog.messages[-1].startswith("3 of 3 ended") and caplog.messages[-1].endswith("ETA 0 s")


def test_the_time_left_leaves_out_what_former_processes_trained(jobs, clock, caplog):
    caplog.set_level(logging.INFO)
    shown = SweepDisplay(jobs, [jobs], 1, lambda config, members: 10**9)
    clock(20.0)
    shown.update(progress(60, start=50))  # 10 of 50 iterations in 20 s: 40 are left
    assert caplog.messages[-1].endswith("ETA 80 s")
    shown = SweepDisplay(jobs, [jobs], 1, lambda config, members: 10**9)
    clock(20.0)
    shown.update(progress(50, start=50))
    assert caplog.messages[-1].endswith("ETA unknown")


class Run:
    """What a reporter asks of a run."""

    running, valid_steps, return_100, eval_returns = True, 10, 1.0, ()
    status = "running"


class Plan:
    num_iterations, start = 1000, 0


def test_a_population_reports_as_time_goes_and_logs_less_often(jobs, clock):
    heard = []
    for job in jobs:
        job.folder.mkdir()
    said = Reporter(0, jobs, Plan, heard.append, lambda: None)
    for iteration in range(1, 125):  # a tenth of a second each, and no evaluation
        clock(0.1)
        said.iteration(iteration, 3 * [Run], {}, evaluated=False)
    assert 10 <= len(heard) <= 12  # 12.4 s, more than a second apart
    log = (jobs[0].folder / "train.log").read_text().splitlines()
    assert len(log) == 1 and "iteration 1" in log[0]  # one in ten seconds
    said.iteration(125, 3 * [Run], {}, evaluated=True)
    assert heard[-1].iteration == 125 and heard[-1].ended == 0


def test_a_log_that_cannot_be_written_stops_no_training(jobs):
    said = Reporter(0, jobs, Plan, lambda report: None, lambda: "a test")  # their folders are not there
    assert said.iteration(1, 3 * [Run], {}, evaluated=True) == "a test"
