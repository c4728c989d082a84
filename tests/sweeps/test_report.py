"""The report at the end of a multirun, whatever launcher; it never decides how the sweep ended."""

import pytest
from variants import thorough

from rl_decay.compare import command

ONE = ("hydra.launcher.workers=1",)  # inside this process
TWO_ARMS = ("compare=auto", "schedule=none,linear", "seed=0,1", "evaluation.late=9")


@pytest.mark.parametrize("launcher", ["hydra.launcher.workers=1", thorough("hydra/launcher=basic")])
def test_a_multirun_ends_with_its_comparison(train_py, tiny, tmp_path, launcher):
    ended = train_py(*tiny, *TWO_ARMS, launcher)
    assert (ended.code, ended.err) == (0, "")
    assert "schedule=none (baseline)" in ended.out and "schedule=linear: " in ended.out
    assert "2 pairs cannot tell: below 6 no p can fall under 0.05" in " ".join(ended.out.split())
    sweep = tmp_path / "sweep"
    assert {"index.html", "report.md", "runs.csv"} <= {path.name for path in (sweep / "report").iterdir()}
    assert {path.name for path in (sweep / "arms").iterdir()} == {"schedule=none", "schedule=linear", "report"}


def test_runs_that_cannot_be_compared_are_no_failure(train_py, tiny, tmp_path):
    ended = train_py(*tiny, *ONE, "compare=auto", "total_steps=64,96")
    assert (ended.code, ended.err) == (0, "")
    assert "no comparison: " in ended.out and "total_steps" in ended.out.partition("no comparison")[2]


def test_a_fault_of_the_report_is_no_failure(train_py, tiny, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("out of ink")

    monkeypatch.setattr(command, "compare", broken)
    ended = train_py(*tiny, *TWO_ARMS, *ONE, "seed=0", "total_steps=32")
    assert ended.code == 0
    assert "no comparison: ZeroDivisionError: out of ink" in ended.out


@pytest.mark.thorough
def test_it_can_be_switched_off_and_a_sweep_that_is_continued_ends_with_it_too(
    train_py, tiny, tmp_path, monkeypatch, capsys
):
    from rl_decay import resume

    ended = train_py(*tiny, *TWO_ARMS, *ONE, "compare=none")
    assert ended.code == 0 and "baseline" not in ended.out
    assert not (tmp_path / "sweep" / "report").exists()
    assert resume.main([str(tmp_path / "sweep"), "compare=auto", "--workers", "1"]) == 0
    assert "4 of 4 runs have ended already" in (out := capsys.readouterr().out)
    assert "schedule=none (baseline)" in out and (tmp_path / "sweep" / "report").is_dir()
