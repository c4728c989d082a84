"""Thousands of jobs: nothing before training costs more than their number, and composing them shows how far it is."""

import copy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf, open_dict

from rl_decay.config.schema import Config, flat
from rl_decay.hydra_app import grid
from rl_decay.hydra_app.compose import register
from rl_decay.hydra_app.launch import launch
from rl_decay.hydra_app.sweep_jobs import Composed, pack
from rl_decay.runs.endings import Ending, lines
from rl_decay.sweeps import workers
from rl_decay.sweeps.sweep import Options

CONF = Path(__file__).parents[2] / "conf"


class Loader:
    """Hydra's loader, as far as a launcher needs it: it composes once, and then only sets the seed."""

    def __init__(self, sweep):
        register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            self.config = compose("config", [f"hydra.sweep.dir={sweep}", "compare=none"], return_hydra_config=True)
        with open_dict(self.config):
            self.config.hydra.job.name = "train"

    def load_sweep_config(self, master, overrides):
        cfg = copy.deepcopy(self.config)
        cfg.seed = int(overrides[0].partition("=")[2])
        cfg.hydra.overrides.task.append(overrides[0])
        return cfg


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """The calls of Python functions that it takes to start and end a sweep of so many jobs without training."""
    monkeypatch.setattr(workers, "train", lambda *_: workers.Outcome(complete=True))
    silent = SimpleNamespace(on_job_start=lambda **_: None, on_job_end=lambda **_: None)

    def count(jobs):
        loader, number = Loader(tmp_path / str(jobs)), 0
        context = SimpleNamespace(config_loader=loader, callbacks=silent)

        def called(frame, event, argument):
            nonlocal number
            number += event == "call"

        words = [[f"seed={seed}"] for seed in range(jobs)]
        sys.setprofile(called)
        try:
            launch(context, loader.config, print, words, 0, Options(workers=1))
        finally:
            sys.setprofile(None)
        return number

    return count


@pytest.mark.slow
def test_twice_as_many_jobs_cost_twice_as_much(calls):
    calls(1)  # what is only done once
    one, two = calls(20), calls(40)
    assert two < 2.1 * one


def test_a_composed_job_is_kept_small(tmp_path):
    config = Loader(tmp_path).config
    packed = pack(config)
    assert len(packed) < 20_000
    unpacked = Composed(packed, tmp_path, None).hydra_config
    # Unresolved: `${now:}` of two configurations may be two seconds.
    assert OmegaConf.to_container(unpacked) == OmegaConf.to_container(config)


def test_the_end_of_a_sweep_of_many_arms_is_linear_in_them():
    def cost(arms):
        runs = [Ending(str(i), "diverged", None, flat(Config()) | {"env.id": f"Task-v{i}"}) for i in range(arms)]
        number = 0

        def called(frame, event, argument):
            nonlocal number
            number += event == "call"

        sys.setprofile(called)
        try:
            lines(runs)
        finally:
            sys.setprofile(None)
        return number

    cost(1)
    assert cost(200) < 2.1 * cost(100)


def test_composing_says_how_far_it_is(monkeypatch, caplog):
    moments = iter(range(0, 1000, 2))  # two seconds per job
    monkeypatch.setattr(grid.time, "monotonic", lambda: float(next(moments)))
    caplog.set_level("INFO", "rl_decay")
    assert list(grid.with_progress(range(1000, 1010))) == list(range(1000, 1010))
    # the clock is read before the first job and at each one: 2, 4, 6 s; lines once 5 s have passed since the last
    assert [record.getMessage() for record in caplog.records] == [
        "composed 2 of 10 jobs, ETA 24 s",
        "composed 5 of 10 jobs, ETA 12 s",
        "composed 8 of 10 jobs, ETA 4 s",
    ]


def test_a_large_sweep_says_its_size_before_it_is_composed(train_py, tiny, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("hydra._internal.config_loader_impl.ConfigLoaderImpl.load_sweep_config", interrupted)
    ended = train_py(*tiny, "seed=range(0,100000)")
    assert (ended.code, ended.err) == (130, "interrupted\n")
    assert "100,000 jobs" in ended.out
    assert list(tmp_path.iterdir()) == []
