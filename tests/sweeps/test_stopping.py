"""Ctrl-C and SIGTERM in the middle of a sweep."""

import os
import signal
import time
from pathlib import Path

import pytest
from commands import until
from variants import thorough

from rl_decay.evaluate.policy import load_policy

LONG = ("total_steps=1000000", "evaluation.early=20000", "evaluation.late=10000", "logger=none")


SAFETY = 600.0  # seconds; ends a test that hangs, and decides nothing else


def group_ends(group):
    """Wait for the end of a process group; what multiprocessing starts for itself ends a moment after the rest."""
    end = time.monotonic() + SAFETY
    while members(group):
        assert time.monotonic() < end, "processes are left"
        time.sleep(0.05)


def members(group):
    """The living processes of a group, by their numbers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, pgrp = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has ended just now
            continue
        if int(pgrp) == group and state != "Z":
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    "workers, number, send",
    [
        pytest.param(1, signal.SIGINT, os.killpg, id="SIGINT-1"),
        thorough(2, signal.SIGINT, os.killpg, id="SIGINT-2"),
        thorough(2, signal.SIGTERM, os.kill, id="SIGTERM-2"),
        thorough(2, signal.SIGHUP, os.killpg, id="SIGHUP-2"),
    ],
)
def test_a_signal_ends_a_sweep_in_order(started, tiny, tmp_path, summaries, workers, number, send):
    tiny = [word for word in tiny if not word.startswith("total_steps")]
    process = started(*tiny, *LONG, "seed=0,1", f"hydra.launcher.workers={workers}")
    until(lambda: sum("iteration 2/" in log.read_text() for log in tmp_path.glob("sweep/*/train.log")) == 2, process)
    send(process.pid, number)
    out, err = process.communicate(timeout=SAFETY)
    assert (process.returncode, err) == (130, ""), err
    assert "Traceback" not in out
    group_ends(process.pid)
    said = summaries(tmp_path / "sweep")
    assert [s["status"] for s in said.values()] == ["interrupted"] * 2
    for name, summary in said.items():
        assert signal.Signals(number).name in summary["reason"]
        assert load_policy(tmp_path / "sweep" / name).iteration == summary["iterations"] >= 2


@pytest.mark.thorough
def test_ctrl_c_while_the_workers_start_leaves_no_traceback(started, tiny):
    process = started(*tiny, "seed=0,1", "hydra.launcher.workers=2")
    # train.py, a helper of multiprocessing, and the first of two workers that import PyTorch
    until(lambda: len(members(process.pid)) >= 3, process)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=SAFETY)
    assert (process.returncode, err) == (130, ""), err
    assert "Traceback" not in out
    group_ends(process.pid)
