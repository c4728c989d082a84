"""Sweeps that were killed, stopped, finished or made larger, and what continuing them does."""

import logging
import os
import shutil
import signal
from contextlib import contextmanager

import pytest
from commands import printed_command, resume_in, typed
from variants import keeping, thorough

from rl_decay import resume
from rl_decay.console.terminal import Terminal
from rl_decay.runs import layout
from rl_decay.runs.jobs import read_jobs
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.reporter import Reporter
from rl_decay.training import checkpoints
from rl_decay.training.saver import Saver

SWEEP = ("-m", "compare=none", "hydra.sweep.dir=my sweep", "env=generic", "env.id=tests/Corridor-v0")
POPULATION, BASIC = "hydra.launcher.workers=1", "hydra/launcher=basic"
TWO = ("seed=0,1", "algo.epochs=1")  # one population
FOUR = ("seed=0,1", "algo.epochs=1,2")  # two populations of two


@pytest.fixture(scope="module")
def sweep(train_in, tiny):
    """Run a sweep of tiny runs into `my sweep` below a folder, in this process: sweep(folder, *arguments) -> Ended."""

    def run(folder, *arguments):
        return train_in(folder, *SWEEP, *tiny, *arguments)

    return run


@pytest.fixture(scope="module")
def whole(sweep, tmp_path_factory):
    """A sweep of four jobs that was trained without a break."""
    folder = tmp_path_factory.mktemp("whole")
    assert sweep(folder, POPULATION, *FOUR).code == 0
    return folder


@pytest.fixture
def asked_for(whole, tmp_path):
    """A sweep of four jobs of which none has begun: only the list of what was asked for is there."""
    (tmp_path / "my sweep").mkdir()
    shutil.copy(whole / "my sweep" / layout.JOBS, tmp_path / "my sweep")
    return tmp_path


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the finished sweep, with the times of its files."""
    shutil.copytree(whole / "my sweep", tmp_path / "my sweep")
    return tmp_path


@pytest.fixture
def same(whole, differences):
    """Assert: so many jobs of a sweep finished, each like the uninterrupted one of its name."""

    def compare(folder, count, ignore=()):
        assert places(folder) == ["finished"] * count
        pairs = {name: (jobs(whole)[name], job) for name, job in jobs(folder).items()}
        assert {name: differences(*pair, ignore) for name, pair in pairs.items()} == {name: [] for name in pairs}

    return compare


@pytest.fixture
def cut_short(killed):
    """Run a command in a fork that dies when it has saved latest.pt so many times, those of all members counted."""

    def run(saves, command, *arguments):
        def work():
            save, saved = Saver._checkpoint, []

            def last(trainer, m, name, *rest):
                save(trainer, m, name, *rest)
                saved.extend([m] * (name == layout.LATEST))
                if len(saved) == saves:
                    os.kill(os.getpid(), signal.SIGKILL)

            Saver._checkpoint = last
            command(*arguments)

        assert killed(work)

    return run


def jobs(folder):
    """The run folders of the sweep below a folder, by name."""
    return {job.name: job for job in sorted((folder / "my sweep").glob("*/"))}


def places(folder):
    """Where the jobs stand, sorted: the iteration of a last checkpoint, `finished`, or `new` without either."""
    found = []
    for job in jobs(folder).values():
        latest = job / layout.CHECKPOINTS / layout.LATEST
        if layout.is_run(job) and read_summary(job)["status"] == layout.FINISHED:
            found.append("finished")
        else:
            found.append(str(checkpoints.load(latest)["iteration"]) if latest.exists() else "new")
    return sorted(found)


def stamps(folder, but=()):
    """Every file of the jobs that have finished."""
    ended = [job for job in jobs(folder).values() if layout.is_run(job) and read_summary(job)["status"] == "finished"]
    return {path: stamp for job in ended for path, stamp in stamps_of(job).items() if path.parent.name not in but}


def stamps_of(folder):
    """Every file below a folder: content and time of its last change."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "saves, stood",
    [  # two members save six times: after iterations 2, 4 and 5
        thorough(1, ["2", "new"]),
        (3, ["2", "4"]),
        thorough(6 + 3, ["2", "4", "finished", "finished"]),
    ],
)
def test_a_killed_sweep_is_completed(asked_for, cut_short, same, saves, stood):
    cut_short(saves, resume_in, asked_for, "my sweep", "--workers", "1")
    assert places(asked_for) == stood
    before = stamps(asked_for)
    ended = resume_in(asked_for, "my sweep", "--workers", "1")
    assert (ended.code, ended.err) == (0, "")
    assert {path: stamp for path, stamp in stamps(asked_for).items() if path in before} == before
    same(asked_for, 4)


@pytest.mark.thorough
def test_a_sweep_killed_twice_is_completed_by_repeating_its_command(sweep, cut_short, same, tmp_path):
    cut_short(1, sweep, tmp_path, POPULATION, *TWO)
    assert places(tmp_path) == ["2", "new"]
    # the first goes on alone and finishes with two saves; then the other saves once
    cut_short(2 + 1, sweep, tmp_path, POPULATION, *TWO, "resume=auto")
    assert places(tmp_path) == ["2", "finished"]
    ended = sweep(tmp_path, POPULATION, *TWO, "resume=auto")
    assert (ended.code, ended.err) == (0, "")
    same(tmp_path, 2)


def test_a_finished_sweep_is_left_as_it_is(finished):
    before = stamps(finished)
    ended = resume_in(finished, "my sweep")
    assert (ended.code, ended.err) == (0, "")
    assert "4 of 4 runs have ended already" in ended.out
    assert stamps(finished) == before
    # Hydra's own launchers leave no list of jobs
    (finished / "my sweep" / layout.JOBS).unlink()
    assert resume_in(finished, "my sweep").code == 0
    assert stamps(finished) == before


@pytest.mark.parametrize("launcher, but", [(POPULATION, []), (BASIC, [".hydra"])], ids=["population", "basic"])
def test_the_command_of_a_finished_sweep_changes_nothing(sweep, finished, launcher, but):
    # but: Hydra's own launcher writes its record before it asks anyone
    before = stamps(finished, but)
    ended = sweep(finished, launcher, *TWO, "resume=auto")
    assert (ended.code, ended.err) == (0, "")
    assert stamps(finished, but) == before


@pytest.mark.parametrize("launcher", keeping(["population"], {"population": POPULATION, "basic": BASIC}))
def test_a_sweep_grows_by_more_seeds(sweep, whole, same, tmp_path, launcher):
    (first,) = [job for job in jobs(whole).values() if read_summary(job)["overrides"][-2:] == ["seed=0", TWO[1]]]
    shutil.copytree(first, tmp_path / "my sweep" / first.name)
    before = stamps(tmp_path, but=[".hydra"])
    ended = sweep(tmp_path, launcher, *TWO, "resume=auto")
    assert (ended.code, ended.err) == (0, "")
    assert {path: stamp for path, stamp in stamps(tmp_path).items() if path in before} == before
    same(tmp_path, 2)


@pytest.mark.thorough
def test_a_sweep_that_grew_is_continued_as_a_whole(sweep, cut_short, same, tmp_path):
    cut_short(1, sweep, tmp_path, POPULATION, *TWO)
    cut_short(2, sweep, tmp_path, POPULATION, "seed=0", "algo.epochs=2", "resume=auto")
    assert places(tmp_path) == ["2", "4", "new"]
    assert resume_in(tmp_path, "my sweep", "--workers", "1").code == 0
    same(tmp_path, 3)


@pytest.mark.parametrize("again", ["record", thorough("command")])
def test_what_the_basic_launcher_began_is_completed(sweep, cut_short, same, tmp_path, again):
    cut_short(2, sweep, tmp_path, BASIC, *TWO)
    assert places(tmp_path) == ["4"]
    record = (tmp_path, "my sweep", "--workers", "1")
    ended = resume_in(*record) if again == "record" else sweep(tmp_path, BASIC, *TWO, "resume=auto")
    assert (ended.code, ended.err) == (0, "")
    same(tmp_path, 2)


def test_a_run_that_another_training_holds_is_left_alone(asked_for, cut_short):
    cut_short(3, resume_in, asked_for, "my sweep", "--workers", "1")
    (held,) = [job for job in jobs(asked_for).values() if read_summary(job)["seed"] == 0]
    with RunLock(held):
        before = stamps_of(held)
        ended = resume_in(asked_for, "my sweep", "--workers", "1")
        assert ended.code == 1 and f"{held} is in use" in ended.err
        assert stamps_of(held) == before


@pytest.fixture
def stopped_after(monkeypatch):
    """Within `with stopped_after(n):` every training gets a SIGTERM at the end of its n-th iteration."""

    @contextmanager
    def stopping(iteration):
        def stop(display, done, *_):
            if done == iteration:
                signal.raise_signal(signal.SIGTERM)

        with monkeypatch.context() as patch:
            patch.setattr(Reporter, "iteration", stop)
            patch.setattr(Terminal, "iteration", stop)
            yield

    return stopping


def test_the_command_that_a_stopped_sweep_prints_continues_it(sweep, stopped_after, same, tmp_path):
    with stopped_after(3):
        ended = sweep(tmp_path, POPULATION, *TWO)
    assert (ended.code, places(tmp_path)) == (130, ["3", "3"])
    ended = resume_in(tmp_path, *printed_command(ended.out), "--workers", "1")
    assert (ended.code, ended.err) == (0, "")
    same(tmp_path, 2, ignore=("iteration_", "files"))  # a stop keeps a copy of its own


@pytest.mark.thorough
def test_the_printed_command_continues_a_stopped_run_when_typed(train_in, tiny, stopped_after, differences, tmp_path):
    train_in(tmp_path, *tiny, "hydra.run.dir=whole")
    with stopped_after(3):
        ended = train_in(tmp_path, *tiny, "hydra.run.dir=my run")
    assert ended.code == 130
    continued = typed(tmp_path, "-m", "rl_decay.resume", *printed_command(ended.out))
    assert (continued.code, continued.err) == (0, "")
    assert read_summary(tmp_path / "my run")["resumed"] == [{"iteration": 3}]
    assert differences(tmp_path / "whole", tmp_path / "my run", ("iteration_", "files")) == []


@pytest.mark.parametrize(
    "words, said",
    [
        (["total_steps=320"], "horizon="),
        (["total_steps=32"], "fewer"),
        (["actor.lr=0.1"], "actor.lr=0.1"),
    ],
)
def test_another_experiment_is_refused_for_a_finished_sweep_too(finished, words, said):
    before = stamps_of(finished)
    ended = resume_in(finished, "my sweep", *words, "--workers", "1")
    assert ended.code == 1 and ended.err.startswith("error: ") and said in ended.err
    assert stamps_of(finished) == before


def test_a_job_that_never_began_is_not_made_longer_at_the_second_try_either(finished):
    gone = next(iter(jobs(finished).values()))
    shutil.rmtree(gone)
    for _ in range(2):
        longer = resume_in(finished, "my sweep", "total_steps=320", "horizon=keep", "--workers", "1")
        assert longer.code == 1 and "holds no run to make longer" in longer.err
    assert read_summary(gone)["status"] == "failed"
    others = [read_summary(job) for job in jobs(finished).values() if job != gone]
    assert [said["iterations"] for said in others] == 3 * [10]


def test_a_damaged_summary_is_named_before_anything_starts(finished):
    damaged, gone, *_ = jobs(finished).values()
    (damaged / layout.SUMMARY).write_text("{")
    shutil.rmtree(gone)
    ended = resume_in(finished, "my sweep", "--workers", "1")
    assert ended.code == 1 and str(damaged / layout.SUMMARY) in ended.err and "start the run anew" in ended.err
    shutil.rmtree(damaged)
    assert resume_in(finished, "my sweep", "--workers", "1").code == 0


def test_the_list_of_jobs_counts_the_sweepers_own_parameters(sweep, tmp_path):
    (tmp_path / "mine" / "own").mkdir(parents=True)
    file = tmp_path / "mine" / "own" / "two.yaml"
    file.write_text("# @package _global_\nhydra:\n  sweeper:\n    params: {seed: '3,4'}\n")
    assert sweep(tmp_path, BASIC, "+own=two", "--config-dir", str(tmp_path / "mine")).code == 0
    assert sorted(job["config"]["seed"] for job in read_jobs(tmp_path / "my sweep")) == [3, 4]


def test_a_single_run_is_not_written_into_a_sweep(finished, train_in):
    before = stamps_of(finished)
    train_in(finished, "hydra.run.dir=my sweep", "resume=auto").refused("hydra.run.dir=my sweep", "holds a sweep")
    assert stamps_of(finished) == before


def test_a_folder_without_runs_is_told_from_one_that_is_missing(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in {"empty": "holds neither a run nor a sweep", "missing": "no such folder"}.items():
        ended = resume_in(tmp_path, name)
        assert (ended.code, ended.err.count("\n")) == (1, 1) and words in ended.err


def test_a_finished_sweep_of_another_device_needs_none(finished, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for file in [finished / "my sweep" / layout.JOBS, *(job / layout.SUMMARY for job in jobs(finished).values())]:
        file.write_text(file.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    ended = resume_in(finished, "my sweep", "--workers", "1")
    assert (ended.code, ended.err) == (0, "")
    assert "4 of 4 runs have ended already" in ended.out


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path, caplog, monkeypatch):
    handlers = [caplog.handler, resume._Log(tmp_path, delay=True)]  # the log is a folder
    monkeypatch.setattr(logging.getLogger(), "handlers", handlers)
    log = logging.getLogger("rl_decay")
    with caplog.at_level(logging.INFO):
        log.info("one")
        log.info("two")
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == ["one", "goes on without its log", "two"]
    assert str(tmp_path) in caplog.text


def test_the_logs_of_a_command_that_has_ended_take_no_more_lines(finished, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    assert resume.main([str(finished / "my sweep")]) == 0
    assert logging.getLogger().handlers == []
