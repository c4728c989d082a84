"""One training per run folder: whoever comes second is refused, and what the first has written stays as it is."""

import json
import shutil
import signal

import pytest
from commands import until
from small_runs import rich_config
from trained import train_configs

from rl_decay.errors import UserError
from rl_decay.runs import layout
from rl_decay.runs.jobs import Job
from rl_decay.runs.lock import RunLock
from rl_decay.runs.sweep_lock import SweepLock
from rl_decay.sweeps import workers

LONG = {"env__id": "CartPole-v1", "total_steps": 10**7, "checkpoint__every": 1}
KEPT = (".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml")


def everything(folder):
    """Every file of a folder, logs as well."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def held(left):
    """A run that another training holds."""
    with RunLock(left):
        yield left


def test_resume_is_refused_and_touches_nothing(held, resumed):
    before = everything(held)
    resumed(held).refused(str(held), "is in use")
    resumed(held, "total_steps=512", "horizon=keep").refused(str(held), "is in use")
    assert everything(held) == before


def test_train_py_is_refused_and_touches_nothing(held, words, train_in, tmp_path):
    before = everything(held)
    train_in(tmp_path, *words(), "hydra.run.dir=mine", "resume=auto").refused("mine", "is in use")
    train_in(tmp_path, *words(), "hydra.run.dir=mine").refused("mine", "holds a run already")
    assert everything(held) == before


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_a_program_is_refused_and_touches_nothing(held, small, mode):
    before = everything(held)
    with pytest.raises(UserError, match=r"is in use|holds a run already"):
        train_configs([small(resume=mode)], [held])
    assert everything(held) == before


def test_a_folder_that_two_begin_at_once_goes_to_one_of_them(small, tmp_path):
    with RunLock(tmp_path), pytest.raises(UserError, match="is in use"):
        train_configs([small()], [tmp_path])
    assert not layout.is_run(tmp_path)


def test_a_population_is_refused_whole_where_one_folder_is_in_use(left, small, tmp_path):
    before = everything(left)
    with RunLock(left), pytest.raises(UserError, match="is in use"):
        train_configs([small(seed=1, resume="auto"), small(resume="auto")], [tmp_path / "other", left])
    assert everything(left) == before
    assert not layout.is_run(tmp_path / "other")


def test_one_population_cannot_train_two_members_into_one_folder(small, tmp_path):
    with pytest.raises(UserError, match="is in use"):
        train_configs([small(seed=1), small(seed=2)], [tmp_path / "one", tmp_path / "one"])
    assert not layout.is_run(tmp_path / "one")


def test_a_sweep_does_not_write_into_the_run_of_another_training(left, small, tmp_path):
    before = everything(left)
    job = Job(0, small(resume="auto"), left, ())
    with RunLock(left):
        workers.train([[job]], 1, lambda progress: None)
    assert everything(left) == before


def test_resuming_a_sweep_leaves_a_run_alone_that_another_training_holds(left, killed, resumed, tmp_path):
    sweep = tmp_path / "sweep"
    shutil.copytree(left, sweep / "job0")
    _, other = killed(tmp_path / "other", rich_config(seed=1), 6)
    shutil.copytree(other, sweep / "job1")
    before = everything(sweep / "job0")
    with RunLock(sweep / "job0"):
        ended = resumed(sweep, "--workers", "1")
        assert everything(sweep / "job0") == before
    assert ended.code == 1 and "is in use" in ended.err and "Traceback" not in ended.err


@pytest.mark.thorough
def test_of_several_that_continue_a_sweep_one_goes_on(left, words, resumed, train_in, tmp_path):
    sweep = tmp_path / "sweep"
    shutil.copytree(left, sweep / "job0")
    before = everything(sweep)
    with SweepLock(sweep):
        resumed(sweep).refused(f"{sweep} is in use: another process trains this sweep")
        typed = ("-m", *words(), "hydra.sweep.dir=sweep", "resume=auto", "seed=0,1")
        for launcher in ("population", "basic"):
            train_in(tmp_path, *typed, f"hydra/launcher={launcher}").refused("sweep is in use")
        # nor may one of its runs be continued alone, in training or not
        resumed(sweep / "job0").refused("job0 is in use: the sweep")
        train_in(tmp_path, *words(), "hydra.run.dir=sweep/job0", "resume=auto").refused("job0 is in use: the sweep")
    (sweep / layout.SWEEP_LOCK).unlink()
    assert everything(sweep) == before
    assert resumed(sweep, "--workers", "1").code == 0


def test_a_member_in_training_is_not_continued_alone(small, resumed, tmp_path):
    folders, refusals = [tmp_path / "job0", tmp_path / "job1"], []

    class Trying:
        def iteration(self, iteration, runs, scalars, evaluated):
            if iteration == 4:
                for folder in folders:
                    with pytest.raises(UserError, match=f"{folder} is in use") as refusal:
                        train_configs([small(resume="auto")], [folder])
                    refusals.append(refusal)

    results = train_configs([small(), small(seed=1)], folders, show=lambda *_: Trying())
    assert [result.status for result in results] == 2 * ["finished"]
    assert len(refusals) == 2


def test_what_is_left_of_a_lock_keeps_nobody_out(left, resumed, whole, different):
    (left / layout.LOCK).write_text("12345\n")
    assert resumed(left).code == 0
    assert different(left, whole) == []


@pytest.mark.thorough
def test_a_second_process_leaves_the_first_one_in_peace(started, words, train_in, resumed, tmp_path):
    process, mine = started(*words(**LONG), "hydra.run.dir=mine"), tmp_path / "mine"
    until((mine / layout.CHECKPOINTS / layout.LATEST).exists, process)
    record = {name: (mine / name).read_bytes() for name in KEPT}
    log = (mine / "train.log").read_bytes()
    train_in(tmp_path, *words(**LONG), "hydra.run.dir=mine", "resume=auto").refused("is in use")
    train_in(tmp_path, *words(**LONG), "hydra.run.dir=mine", "resume=auto", "checkpoint.keep=1").refused("is in use")
    resumed(mine).refused("is in use")
    with pytest.raises(UserError, match="is in use"):
        train_configs([rich_config(**LONG, resume="auto")], [mine])
    assert {name: (mine / name).read_bytes() for name in KEPT} == record
    assert (mine / "train.log").read_bytes().startswith(log)
    assert b"error" not in (mine / "train.log").read_bytes()
    assert json.loads((mine / layout.SUMMARY).read_text())["status"] == "running"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=600)
    assert (process.returncode, errors) == (130, "")
    said = json.loads((mine / layout.SUMMARY).read_text())
    assert said["status"] == "interrupted"
    rows = (mine / layout.METRICS_CSV).read_text().splitlines()[1:]
    assert [int(row.split(",")[1]) for row in rows] == list(range(1, said["iterations"] + 1))


@pytest.mark.thorough
def test_a_job_that_is_refused_counts_once_and_says_why_it_is_refused_now(left, words, train_in, tmp_path):
    """Hydra's own launcher: the job's folder holds a run, which another training holds, or which has failed before."""
    sweep = tmp_path / "sweep"
    typed = ("-m", *words(), "hydra/launcher=basic", "hydra.sweep.dir=sweep", "hydra.sweep.subdir=job", "compare=none")
    shutil.copytree(left, sweep / "job")
    with RunLock(sweep / "job"):
        ended = train_in(tmp_path, *typed, "resume=auto")
        assert (ended.code, ended.err) == (1, "error: 1 of 1 runs failed\n")
        assert f"{sweep / 'job'} is in use" in ended.out.splitlines()[-1]
    summary = json.loads((sweep / "job" / layout.SUMMARY).read_text())
    (sweep / "job" / layout.SUMMARY).write_text(json.dumps(summary | {"status": "failed", "reason": "no space left"}))
    (sweep / "job" / layout.CHECKPOINTS / layout.LATEST).write_text("damaged")
    ended = train_in(tmp_path, *typed, "resume=auto")
    assert ended.code == 1 and "not a readable rl_decay checkpoint" in ended.out.splitlines()[-1]
    after = json.loads((sweep / "job" / layout.SUMMARY).read_text())
    assert after == summary | {"status": "failed", "reason": after["reason"]}
    assert "not a readable rl_decay checkpoint" in after["reason"]
