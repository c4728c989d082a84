"""Two commands that want one folder: exactly one gets it, before either has written anything."""

import json

import pytest
from variants import thorough

from rl_decay.hydra_app import guard
from rl_decay.runs.claim import FolderClaim

RUN, SWEEP = ("hydra.run.dir=mine",), ("-m", "hydra.sweep.dir=mine")


@pytest.mark.parametrize("words", [RUN, SWEEP], ids=["run", "sweep"])
@pytest.mark.parametrize("resume", [thorough("never"), "auto"])
def test_whoever_comes_second_writes_nothing(train_py, tmp_path, words, resume):
    first = FolderClaim(tmp_path / "mine", ())  # as another command does in its first moment
    try:
        train_py(*words, f"resume={resume}").refused("dir=mine", "is in use")
        assert list((tmp_path / "mine").iterdir()) == []
    finally:
        first.end()


@pytest.mark.parametrize(
    "words", [pytest.param(RUN, id="run"), pytest.param(SWEEP, id="sweep", marks=pytest.mark.thorough)]
)
def test_a_command_gives_its_folder_back(train_py, small, words):
    once = (*words, *small, "total_steps=32", "logger=none", "compare=none", "resume=auto")
    assert train_py(*once).code == 0
    assert train_py(*once).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("words", [RUN, SWEEP], ids=["run", "sweep"])
def test_of_commands_started_together_one_trains_and_the_record_is_its_own(started, small, tmp_path, words):
    processes = [
        started(*words, *small, f"seed={seed}", "total_steps=96", "compare=none", "logger=none") for seed in (1, 2, 3)
    ]
    errors = [process.communicate(timeout=600)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1, 1], errors
    for code, error in zip(codes, errors, strict=True):
        assert error == "" if code == 0 else error.startswith("error: hydra.") and len(error.splitlines()) == 1
    (summary,) = (tmp_path / "mine").rglob("summary.json")
    said = json.loads(summary.read_text())
    assert (said["status"], said["seed"]) == ("finished", codes.index(0) + 1)
    assert f"- seed={said['seed']}" in (summary.parent / ".hydra" / "overrides.yaml").read_text().splitlines()


def test_different_runs_of_one_second_get_different_folders(train_py, tmp_path, small, monkeypatch):
    for seed in (0, 0, 1):
        lr = "actor.lr=1e-3" if seed else "actor.lr=2e-3"
        train_py(*small, "total_steps=32", "logger=none", f"seed={seed}", lr)
    folders = sorted(tmp_path.glob("runs/CartPole-v1/linear-linear/*"))
    prints = {json.loads((folder / "summary.json").read_text())["fingerprint"][:8] for folder in folders}
    assert len(prints) == 2 and {folder.name.rpartition("-")[2] for folder in folders} == prints


@pytest.mark.parametrize("words", [RUN, SWEEP], ids=["run", "sweep"])
def test_a_guard_that_breaks_lets_nobody_in(train_py, tmp_path, monkeypatch, words):
    def broken(*_):
        raise ZeroDivisionError("the guard sleeps")

    monkeypatch.setattr(guard, "_check_names", broken)  # Hydra swallows what a callback raises, and would go on
    train_py(*words).refused("ZeroDivisionError", "the guard sleeps")
    assert list(tmp_path.iterdir()) == []
