"""Commands that are continued in another folder than they were typed in, and runs that change theirs."""

import json
import shlex
import shutil

import pytest
from variants import thorough

from rl_decay import resume
from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import unflat
from rl_decay.console.terminal import Terminal
from rl_decay.runs.summary import read_summary, write_summary

LAUNCHERS = {
    "alone": ("hydra.run.dir=my run/branch",),
    "population": ("-m", "hydra.sweep.dir=my run", "hydra.sweep.subdir=branch", "hydra.launcher.workers=1"),
    "basic": ("-m", "hydra.sweep.dir=my run", "hydra.sweep.subdir=branch", "hydra/launcher=basic"),
}


@pytest.fixture(scope="module")
def source(train_in, small, tmp_path_factory):
    """A folder with a finished run whose weights others start from."""
    folder = tmp_path_factory.mktemp("source")
    assert train_in(folder, *small, "total_steps=32", "logger=none", "hydra.run.dir=src").code == 0
    return folder


@pytest.fixture
def words(small):
    return (*small, "total_steps=64", "logger=none", "compare=none", "init_from=src/checkpoints/best.pt")


@pytest.fixture
def branched(train_in, source, words, tmp_path):
    """Branch from the finished run, started in its folder: branched(*words) -> Ended."""
    shutil.copytree(source / "src", tmp_path / "src")
    return lambda *more: train_in(tmp_path, *words, *more)


@pytest.mark.parametrize(
    "launcher, chdir",
    [
        ("alone", "true"),
        ("population", "false"),
        thorough("alone", "false"),
        thorough("population", "true"),
        thorough("basic", "false"),
        thorough("basic", "true"),
    ],
)
def test_a_relative_path_is_recorded_absolute(branched, tmp_path, launcher, chdir):
    ended = branched(*LAUNCHERS[launcher], f"hydra.job.chdir={chdir}")
    assert (ended.code, ended.err) == (0, "")
    said = read_summary(tmp_path / "my run" / "branch")
    assert said["status"] == "finished"
    assert said["config"]["init_from"] == str(tmp_path / "src" / "checkpoints" / "best.pt")
    if launcher == "alone":  # what is printed can be typed where the command was
        assert "folder: 'my run/branch'" in ended.out.splitlines()


@pytest.mark.thorough
def test_a_job_that_never_began_finds_its_source_from_another_folder(branched, tmp_path, monkeypatch, capsys):
    assert branched("-m", "hydra.sweep.dir=sweep", "seed=0,1", "hydra.launcher.workers=1").code == 0
    gone = next(iter(sorted((tmp_path / "sweep").glob("*seed1*"))))
    shutil.rmtree(gone)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume.main([str(tmp_path / "sweep"), "--workers", "1"]) == 0
    assert json.loads((gone / "summary.json").read_text())["status"] == "finished"


def test_an_older_run_with_a_relative_path_stays_the_same_experiment(branched, tmp_path, monkeypatch):
    assert branched("hydra.run.dir=mine").code == 0
    mine = tmp_path / "mine"
    said = read_summary(mine)
    said["config"]["init_from"] = "src/checkpoints/best.pt"  # as it was recorded before
    said["fingerprint"] = fingerprint(experiment_values(unflat(said["config"])))
    write_summary(mine, said)
    assert branched("hydra.run.dir=mine", "resume=auto").code == 0  # typed again where it was typed first
    assert read_summary(mine) == said
    other = branched("hydra.run.dir=mine", "resume=auto", "init_from=src/checkpoints/latest.pt")
    other.refused("init_from=", "another value is another run")
    monkeypatch.chdir(tmp_path.parent)
    assert resume.main([str(mine)]) == 0  # it has ended: nothing needs the file


def test_the_printed_command_is_right_where_it_was_typed(train_py, small, tmp_path, monkeypatch):
    def interrupt(*_):
        return "a test"

    monkeypatch.setattr(Terminal, "iteration", interrupt)
    ended = train_py(*small, "total_steps=96", "logger=none", "hydra.run.dir=my run", "hydra.job.chdir=true")
    assert ended.code == 130
    (line,) = [line for line in ended.out.splitlines() if line.startswith("continue it: ")]
    assert shlex.split(line.removeprefix("continue it: ")) == ["python", "-m", "rl_decay.resume", "my run"]
