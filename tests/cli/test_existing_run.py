"""A folder that holds a run is never written to."""

import json

import pytest
from omegaconf import OmegaConf
from variants import thorough


@pytest.fixture
def first(train_py, tmp_path, small):
    """A finished run in the folder `mine`."""
    ended = train_py(*small, "total_steps=32", "logger=none", "seed=7", "hydra.run.dir=mine")
    assert ended.code == 0, ended
    return tmp_path / "mine"


def test_another_run_in_its_folder_is_refused(first, train_py, files, small):
    before = files(first)
    assert OmegaConf.create(before[".hydra/config.yaml"].decode()).seed == 7
    ended = train_py(*small, "total_steps=32", "seed=8", "hydra.run.dir=mine")
    ended.refused("hydra.run.dir=mine", "holds a run")
    assert ended.out == ""
    assert files(first) == before


def test_a_mistake_beside_it_changes_nothing_either(first, train_py, files):
    before = files(first)
    for mistake in ("actor.lr=-1", "actor.lr=fast", "+foo=1", "schedule=cosine"):
        train_py(mistake, "hydra.run.dir=mine").refused()
    assert files(first) == before


def test_a_sweep_that_would_hold_it_is_refused(first, train_py, tmp_path, files, small):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    first.rename(sweep / first.name)
    before = files(sweep)
    ended = train_py("-m", *small, "total_steps=32", "seed=1,2", "hydra.sweep.dir=sweep")
    ended.refused("hydra.sweep.dir=sweep", "holds runs")
    assert files(sweep) == before
    assert [folder.name for folder in sweep.iterdir()] == [first.name]


def test_an_interrupted_or_failed_run_is_a_run_too(train_py, tmp_path, files):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({"schema_version": 1, "status": "interrupted"}))
    before = files(folder)
    train_py("hydra.run.dir=mine").refused("holds a run")
    assert files(folder) == before


def test_an_empty_folder_is_accepted(train_py, tmp_path, small):
    (tmp_path / "mine").mkdir()
    assert train_py(*small, "total_steps=32", "logger=none", "hydra.run.dir=mine").code == 0
    assert json.loads((tmp_path / "mine" / "summary.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("folder", ["/proc/nope", thorough("file/run")])
@pytest.mark.parametrize("mode", [("hydra.run.dir",), ("hydra.sweep.dir", "-m")], ids=["run", "sweep"])
def test_a_folder_that_cannot_be_written_is_named(train_py, tmp_path, folder, mode):
    (tmp_path / "file").write_text("not a folder")
    key, *flags = mode
    train_py(*flags, f"{key}={folder}").refused(f"{key}={folder}", "cannot be written")
