"""Ctrl-C and SIGTERM in the middle of a sweep."""

import os
import signal
import time

import pytest

from rl_decay.policy import load_policy

LONG = ("total_steps=1000000", "evaluation.early=20000", "evaluation.late=10000", "logger=none")


def group_is_empty(group):
    """Whether a process group ends; what multiprocessing starts for itself ends a moment after the rest."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "workers, number, send",
    [(1, signal.SIGINT, os.killpg), (2, signal.SIGINT, os.killpg), (2, signal.SIGTERM, os.kill)],
    ids=["SIGINT-1", "SIGINT-2", "SIGTERM-2"],
)
def test_a_signal_ends_a_sweep_in_order(started, tiny, tmp_path, summaries, workers, number, send):
    tiny = [word for word in tiny if not word.startswith("total_steps")]
    process = started(*tiny, *LONG, "seed=0,1", f"hydra.launcher.workers={workers}")
    deadline = time.monotonic() + 40
    logs = []
    while sum("iteration 2/" in log.read_text() for log in logs) < 2:
        assert time.monotonic() < deadline and process.poll() is None, "training does not begin"
        time.sleep(0.1)
        logs = list(tmp_path.glob("sweep/*/train.log"))
    send(process.pid, number)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, err) == (130, ""), err
    assert "Traceback" not in out
    assert group_is_empty(process.pid)
    said = summaries(tmp_path / "sweep")
    assert [s["status"] for s in said.values()] == ["interrupted"] * 2
    for name, summary in said.items():
        assert signal.Signals(number).name in summary["reason"]
        assert load_policy(tmp_path / "sweep" / name).iteration == summary["iterations"] >= 2


def test_ctrl_c_while_the_workers_start_leaves_no_traceback(started, tiny, tmp_path):
    process = started(*tiny, "seed=0,1", "hydra.launcher.workers=2")
    for line in process.stdout:
        if "worker(s)" in line:
            break
    time.sleep(1.0)  # they import PyTorch now
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, err) == (130, ""), err
    assert "Traceback" not in out and group_is_empty(process.pid)
