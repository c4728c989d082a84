"""A folder belongs to one process from before its first file on, and nothing is left where nothing began."""

import os
import warnings

import pytest

from rl_decay.errors import UserError
from rl_decay.runs.claim import FolderClaim
from rl_decay.runs.lock import RunLock


@pytest.fixture
def claim():
    """Claim a folder; whatever a test leaves claimed is given back."""
    claims = []

    def take(folder, own=(".hydra", "train.log")):
        claims.append(FolderClaim(folder, own))
        return claims[-1]

    yield take
    for taken in claims:
        taken.end()


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_goes_to_the_first_who_claims_it(claim, tmp_path, exists):
    folder = tmp_path / "a" / "mine"
    if exists:
        folder.mkdir(parents=True)
    first = claim(folder)
    with pytest.raises(UserError, match=f"{folder} is in use"):
        claim(folder)
    first.end()
    claim(folder)


def test_a_claim_leaves_no_file(claim, tmp_path):
    claim(tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_what_hydra_wrote_and_the_folders_made_for_it_go_again(claim, tmp_path):
    taken = claim(tmp_path / "a" / "b" / "mine")
    (taken.folder / ".hydra").mkdir()
    (taken.folder / ".hydra" / "config.yaml").write_text("seed: 0")
    (taken.folder / "train.log").touch()
    taken.end()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_there_before_stay(claim, tmp_path):
    (tmp_path / "before" / ".hydra").mkdir(parents=True)
    (tmp_path / "before" / ".hydra" / "config.yaml").write_text("another program's")
    claim(tmp_path / "before").end()
    claim(tmp_path / "before" / "inner").end()
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == [
        "before",
        "before/.hydra",
        "before/.hydra/config.yaml",
    ]


@pytest.mark.parametrize("name, text", [("summary.json", "{}"), ("train.log", "Traceback")])
def test_nothing_goes_where_a_run_began_or_a_fault_was_logged(claim, tmp_path, name, text):
    taken = claim(tmp_path / "mine")
    (taken.folder / ".hydra").mkdir()
    (taken.folder / name).write_text(text)
    taken.end()
    assert {path.name for path in taken.folder.iterdir()} == {".hydra", name}


def test_a_folder_that_somebody_removed_is_no_error(claim, tmp_path):
    taken = claim(tmp_path / "mine")
    taken.folder.rmdir()
    taken.end()


def test_a_folder_above_stays_once_another_run_lies_in_it(claim, tmp_path):
    taken = claim(tmp_path / "runs" / "mine")
    (tmp_path / "runs" / "other").mkdir()
    taken.end()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["other"]


def test_a_forked_child_does_not_hold_the_claim(claim, tmp_path):
    taken = claim(tmp_path / "mine")
    begun, living = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child touches none of the other threads' locks
        child = os.fork()
    if child == 0:
        os.write(begun[1], b"!")
        os.close(living[1])
        os.read(living[0], 1)  # until the parent closes its end
        os._exit(0)
    try:
        os.read(begun[0], 1)
        os.close(taken._descriptor)  # as at the parent's death: the lock is not given back, only closed
        claim(tmp_path / "mine")
    finally:
        os.close(living[1])
        os.waitpid(child, 0)


def test_nothing_goes_where_another_training_holds_the_run(claim, tmp_path):
    taken = claim(tmp_path / "mine", own=(".hydra", "run.lock"))
    with RunLock(taken.folder):
        taken.end()
        assert (taken.folder / "run.lock").exists()
