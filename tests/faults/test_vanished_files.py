"""Files that somebody removes, cuts or takes over while a run trains: never `finished` with rows missing."""

import os
import shutil
from contextlib import ExitStack

import pytest
from trained import train_configs

from rl_decay.errors import UserError
from rl_decay.runs import durable, layout
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints, saver

TABLES = (layout.METRICS_CSV, layout.EVALUATIONS_CSV)


@pytest.fixture(autouse=True)
def every_iteration_is_flushed(monkeypatch):
    monkeypatch.setattr(saver, "FLUSH_SECONDS", -1.0)


class Doing:
    """A display that does something after an iteration, before that is saved."""

    def __init__(self, iteration, deed):
        self.at, self.deed = iteration, deed

    def iteration(self, iteration, runs, scalars, evaluated):
        if iteration == self.at:
            self.deed()


def train(configs, folders, deed, iteration=5):
    return train_configs(configs, folders, show=lambda *_: Doing(iteration, deed))


def events_of(folder):
    return sorted(folder.glob(f"{layout.EVENTS}*"))


def file_of(folder, name):
    return events_of(folder)[-1] if name == "events" else folder / name


@pytest.mark.parametrize("name", [*TABLES, "events"])
@pytest.mark.parametrize("harm", ["removed", "cut"])
def test_a_run_whose_rows_are_gone_fails_and_says_which(harm, name, small, tmp_path):
    folder = tmp_path / "mine"

    def deed():
        path = file_of(folder, name)
        path.unlink() if harm == "removed" else os.truncate(path, path.stat().st_size - 1)

    with pytest.raises(UserError) as raised:
        train([small()], [folder], deed)
    prefix = layout.EVENTS if name == "events" else name
    words = "was removed while the run was training" if harm == "removed" else "rows are missing"
    assert f"{folder}/{prefix}" in str(raised.value) and words in str(raised.value)
    summary = read_summary(folder)
    assert (summary["status"], summary["reason"]) == ("failed", str(raised.value))


def test_rows_of_another_program_are_not_mixed_with_the_runs_own(small, tmp_path):
    folder = tmp_path / "mine"
    with pytest.raises(UserError, match="another program writes into it"):
        train([small()], [folder], lambda: durable.append_to(folder / layout.METRICS_CSV, b"1,2\n"))
    assert read_summary(folder)["status"] == "failed"


def test_the_event_file_of_a_former_process_may_not_vanish_either(left, small, tmp_path):
    with pytest.raises(UserError, match="rows are missing"):
        train([small(resume="auto")], [left], lambda: events_of(left)[0].unlink())
    assert read_summary(left)["status"] == "failed"


@pytest.mark.parametrize("harm", ["removed", "renamed"])
def test_a_folder_that_vanishes_is_named_and_not_made_anew(harm, small, tmp_path):
    folder = tmp_path / "mine"
    deeds = {"removed": lambda: shutil.rmtree(folder), "renamed": lambda: folder.rename(tmp_path / "other")}
    # iteration 6 evaluates, so that best.pt may be the first thing to be written afterwards
    for iteration in (5, 6, 8):
        with pytest.raises(UserError, match=f"{folder}.*was removed while the run was training"):
            train([small()], [folder], deeds[harm], iteration)
        assert not folder.exists()
        shutil.rmtree(tmp_path / "other", ignore_errors=True)


def test_train_py_says_in_one_line_that_its_folder_vanished(words, train_in, tmp_path, monkeypatch):
    from rl_decay.console.terminal import Terminal

    monkeypatch.setattr(Terminal, "iteration", lambda *_: shutil.rmtree(tmp_path / "mine", ignore_errors=True))
    train_in(tmp_path, *words(), "hydra.run.dir=mine").refused("was removed while the run was training")


def test_checkpoints_that_vanish_are_written_again_and_the_run_says_so(small, whole, different, tmp_path):
    folder = tmp_path / "mine"
    (result,) = train([small()], [folder], lambda: shutil.rmtree(folder / layout.CHECKPOINTS))
    assert result.status == "finished"
    words = "best.pt, latest.pt removed before iteration 6; written again when next due"
    assert result.summary["notes"][-1] == f"checkpoints: {words}"
    assert checkpoints.load(folder / layout.CHECKPOINTS / layout.LATEST)["iteration"] == 8
    for name in TABLES:
        assert len(read(folder / name)["iteration"]) == len(read(whole / name)["iteration"])


def test_a_summary_that_vanishes_is_written_again_at_once(small, whole, different, tmp_path):
    folder, there = tmp_path / "mine", []

    class Removing(Doing):
        def iteration(self, iteration, runs, scalars, evaluated):
            there.append(layout.is_run(folder))
            super().iteration(iteration, runs, scalars, evaluated)

    train_configs([small()], [folder], show=lambda *_: Removing(5, (folder / layout.SUMMARY).unlink))
    assert there == 8 * [True]
    assert different(folder, whole) == []


def test_a_lock_that_vanishes_is_taken_again(small, whole, different, tmp_path):
    folder, refusals = tmp_path / "mine", []

    class Watching(Doing):
        def iteration(self, iteration, runs, scalars, evaluated):
            super().iteration(iteration, runs, scalars, evaluated)
            if iteration == 6:
                with pytest.raises(UserError, match="is in use") as refusal:
                    RunLock(folder).__enter__()
                refusals.append(refusal)

    train_configs([small()], [folder], show=lambda *_: Watching(5, (folder / layout.LOCK).unlink))
    assert len(refusals) == 1
    assert different(folder, whole) == []


def test_whoever_takes_the_folder_after_its_lock_was_removed_has_it_alone(small, tmp_path):
    folder, other, before = tmp_path / "mine", RunLock(tmp_path / "mine"), {}

    def take_over():
        (folder / layout.LOCK).unlink()
        other.__enter__()
        before.update({path: path.read_bytes() for path in folder.rglob("*") if path.is_file()})

    with pytest.raises(UserError, match="another training has begun there"):
        train([small()], [folder], take_over)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    other.__exit__()


@pytest.mark.parametrize("harm", ["folder", layout.METRICS_CSV, "permission"])
def test_one_member_whose_files_vanish_takes_no_other_along(harm, small, whole, different, tmp_path, monkeypatch):
    folders = [tmp_path / f"run{m}" for m in range(3)]

    def deed():
        if harm == "folder":
            shutil.rmtree(folders[1])
        elif harm == "permission":
            monkeypatch.setattr(durable, "open", refusing, raising=False)
        else:
            (folders[1] / harm).unlink()

    def refusing(path, *arguments, **options):
        if str(path).startswith(str(folders[1])):
            raise PermissionError(13, "Permission denied", str(path))
        return open(path, *arguments, **options)

    configs = [small(), small(seed=1), small(actor__lr=1e-3)]
    results = train(configs, folders, deed)
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    assert [result.recorded for result in results] == [True, harm == layout.METRICS_CSV, True]
    reasons = {"permission": "cannot be written (Permission denied)"}
    assert reasons.get(harm, "was removed while the run was training") in results[1].summary["reason"]
    assert different(folders[0], whole) == []


def test_the_members_stay_locked_where_the_first_one_is_given_up(small, tmp_path):
    first, second = tmp_path / "run0", tmp_path / "run1"
    first.mkdir()
    second.mkdir()
    thief = RunLock(first)
    with RunLock(first, second) as lock:
        (first / layout.LOCK).unlink()
        with thief:
            with pytest.raises(UserError, match="another training has begun there"):
                lock.verify(first)
            with pytest.raises(UserError, match="is in use"), RunLock(second):
                pass
        lock.verify(second)
    with RunLock(second):
        pass


def test_a_population_whose_folders_another_training_took_writes_not_one_byte_more(small, files, tmp_path):
    folders = [tmp_path / "run0", tmp_path / "run1"]
    before = {}
    with ExitStack() as thief:

        def deed():
            for folder in folders:
                (folder / layout.LOCK).unlink()
            thief.enter_context(RunLock(*folders))
            before.update({folder: files(folder) for folder in folders})

        configs = [small(checkpoint__every=1), small(checkpoint__every=1, seed=1)]
        results = train(configs, folders, deed)
        assert [(result.status, result.recorded) for result in results] == 2 * [("failed", False)]
        for result in results:
            assert f"{result.folder}: its {layout.LOCK} was removed, and another training" in result.summary["reason"]
        assert {folder: files(folder) for folder in folders} == before
