"""Ctrl-C, SIGTERM and a task that breaks: the folder says what happened, and nothing in it is torn."""

import json
import os
import signal

import numpy as np
import pytest
from variants import thorough

from rl_decay.console.terminal import Terminal
from rl_decay.evaluate.policy import load_policy
from rl_decay.runs import layout
from rl_decay.runs.recorder import RunRecorder
from rl_decay.runs.tables import read

SWEEP = ("-m", "compare=none", "hydra/launcher=basic", "hydra.sweep.dir=sweep", "logger=none")
SAFETY = 600.0  # seconds; ends a test that hangs, and decides nothing else
LONG = ("total_steps=1000000", "evaluation.early=20000", "evaluation.late=10000")  # an evaluation every iteration


def read_back(folder):
    said, metrics = json.loads((folder / layout.SUMMARY).read_text()), read(folder / layout.METRICS_CSV)
    assert metrics["iteration"].tolist() == list(range(1, said["iterations"] + 1))
    lines = (folder / layout.METRICS_CSV).read_bytes().split(b"\n")
    assert lines.pop() == b"" and {line.count(b",") for line in lines} == {len(layout.METRIC_COLUMNS) - 1}
    return said, metrics


@pytest.mark.parametrize(
    "number, vec, send",
    [
        (signal.SIGINT, "sync", os.kill),
        thorough(signal.SIGINT, "async", os.killpg),  # Ctrl-C in a terminal reaches the workers too
        thorough(signal.SIGTERM, "async", os.kill),
        thorough(signal.SIGHUP, "async", os.killpg),  # so does a terminal that is closed
    ],
    ids=["SIGINT-sync", "SIGINT-async", "SIGTERM-async", "SIGHUP-async"],
)
def test_a_signal_ends_the_run_in_order(started, tmp_path, small, number, vec, send):
    process = started(*small, *LONG, f"vec={vec}", "hydra.run.dir=mine")
    for line in process.stdout:
        if "iteration 2/" in line:
            break
    send(process.pid, number)
    out, err = process.communicate(timeout=SAFETY)
    assert (process.returncode, err) == (130, ""), err
    said, _ = read_back(tmp_path / "mine")
    assert said["status"] == "interrupted" and signal.Signals(number).name in said["reason"]
    assert said["iterations"] >= 2
    assert said["reason"] in out and "tensorboard --logdir mine" in out
    policy = load_policy(tmp_path / "mine")
    assert policy.iteration == said["iterations"]
    assert policy(np.zeros(4, np.float32)) in (0, 1)


@pytest.fixture
def interrupting(monkeypatch):
    """Make every iteration end with so many Ctrl-C."""

    def times(count):
        def iteration(*_):
            for _ in range(count):
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(Terminal, "iteration", iteration)

    return times


def test_an_interrupted_job_ends_the_sweep(train_py, tmp_path, small, interrupting):
    interrupting(1)
    ended = train_py(
        "-m", "hydra/launcher=basic", *small, "total_steps=96", "logger=none", "hydra.sweep.dir=sweep", "seed=1,2"
    )
    assert (ended.code, ended.err) == (130, "")
    (job,) = (tmp_path / "sweep").glob("*/")
    said, _ = read_back(job)
    assert (said["status"], said["reason"], said["seed"]) == ("interrupted", "SIGINT after iteration 1", 1)
    assert load_policy(job).iteration == 1


def test_a_second_signal_ends_at_once(train_py, tmp_path, small, interrupting):
    interrupting(2)
    ended = train_py(*small, "total_steps=96", "logger=none", "hydra.run.dir=mine")
    assert (ended.code, ended.err) == (130, "")
    said, _ = read_back(tmp_path / "mine")
    assert said["status"] == "interrupted" and "second signal" in said["reason"]


def test_a_signal_while_rows_are_written_still_leaves_the_last_checkpoint(train_py, tmp_path, small, monkeypatch):
    signals, flush = [signal.SIGINT], RunRecorder.flush

    def interrupted(recorder, **options):
        if recorder.iterations == 2 and signals:
            signal.raise_signal(signals.pop())
        flush(recorder, **options)

    monkeypatch.setattr("rl_decay.training.saver.FLUSH_SECONDS", -1.0)
    monkeypatch.setattr(RunRecorder, "flush", interrupted)
    ended = train_py(*small, "total_steps=160", "logger=none", "hydra.run.dir=mine")
    assert (ended.code, ended.err) == (130, "")
    said, _ = read_back(tmp_path / "mine")
    assert load_policy(tmp_path / "mine").iteration == said["iterations"]


def test_ctrl_c_before_training_has_begun_is_no_traceback(train_py, monkeypatch):
    def build(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("rl_decay.console.run.train_population", build)
    ended = train_py("experiment=debug")
    assert ended.code == 130 and "Traceback" not in ended.err


def test_a_reward_that_is_no_number_ends_the_run_as_diverged(train_py, tmp_path, small):
    task = (
        "env=generic",
        "env.id=fragile_tasks:Fragile-v0",
        "env.num_envs=2",
        "evaluation.late=1",
        "evaluation.early=0",
    )
    ended = train_py(*task, *small, "total_steps=3200", "hydra.run.dir=mine")
    assert (ended.code, ended.err) == (1, "")
    said, metrics = read_back(tmp_path / "mine")
    # a copy takes 75 sound steps after each seed. Every sixth row of it is a reset, so 5 steps take 6 rows:
    # 75 steps are 90 rows, in the sixth rollout of 16
    assert (said["status"], said["reason"]) == ("diverged", "reward not finite in iteration 6")
    assert said["reason"] in ended.out
    assert np.isfinite(metrics["update/actor/grad_norm"][:5]).all()


@pytest.mark.thorough
def test_a_diverged_job_of_a_sweep_stops_no_other(train_py, tmp_path, small):
    ended = train_py(*SWEEP, *small, "total_steps=320", "schedule=none", "critic.lr=1e30,1e-3")
    assert ended.err == ""
    said = [json.loads((job / "summary.json").read_text()) for job in (tmp_path / "sweep").glob("*/")]
    assert sorted(s["status"] for s in said) == ["diverged", "finished"]


@pytest.mark.parametrize(
    "once, waits_for",
    [
        thorough("mine/checkpoints/latest.pt", "the iteration in progress, in which an environment may hang"),
        thorough(".", "the task, which is made and tried out before training"),
    ],
    ids=["in training", "before training"],
)
def test_a_task_that_hangs_in_c_is_named_and_a_second_signal_ends_it(started, tmp_path, small, once, waits_for):
    task = (
        "env=generic",
        "env.id=fragile_tasks:Stuck-v0",
        f"env.kwargs={{once:'{once}'}}",
        "env.num_envs=2",
        "vec=sync",
    )
    process = started(*task, *small, "total_steps=3200", "checkpoint.every=1", "hydra.run.dir=mine")
    for awaited in ("STUCK", f"waiting for {waits_for}; a second Ctrl-C ends at once"):
        for line in process.stdout:
            if awaited in line:
                break
        else:
            pytest.fail(f"{awaited!r} was not printed: {process.communicate()}")
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=SAFETY)
    assert process.returncode == 130
    assert err == "ended by a second signal; what came after the last checkpoint is lost\n"
    if once != ".":
        said = json.loads((tmp_path / "mine" / layout.SUMMARY).read_text())
        assert (said["status"], said["iterations"]) == ("interrupted", 1)
        assert said["reason"] == "a second signal: what came after the last checkpoint is lost"
