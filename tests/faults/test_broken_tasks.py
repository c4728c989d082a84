"""A task that raises, hangs, dies or returns nonsense: one message, a summary that says so, and rows that stay."""

import json
import multiprocessing
import os
import shutil
import signal

import numpy as np
import pytest
from trained import train_configs
from variants import every, thorough

from rl_decay.errors import UserError
from rl_decay.rng import MemberStreams
from rl_decay.runs import layout
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read
from rl_decay.sweeps import workers
from rl_decay.types import Spaces

AFTER = 40  # steps of a copy; with 16 a rollout the third iteration breaks, or an evaluation of long episodes
# An observation is not finite -> the run has diverged; what no array can hold -> it has failed.
DIVERGING = {
    "nan observation": "observation not finite",
    "inf observation": "observation not finite in float32",  # 1e39 in float64 would be, too
    "nan reward": "reward not finite",
    "inf reward": "reward not finite",
}
FAILING = {
    "step": "its step failed with RuntimeError: the simulator is out of fuel",
    "four values": "its step failed with",
    "long observation": "its step failed with",
    "square observation": "its step failed with",
    "object observation": "its step failed with",
    "string observation": "its step failed with",
    "no observation": "its step failed with",
    "array reward": "its step failed with",
    "string reward": "its step failed with",
}
HARMLESS = ("float64 observation", "int observation")  # numbers are numbers


def faulty(small, how, vec="sync", **values):
    # evaluations are at iteration 8 alone: what breaks is training
    settings = {"evaluation__early": 0, "evaluation__late": 1, "checkpoint__every": 1, "segments": 1}
    return small(env__kwargs={"how": how, "after": AFTER}, vec=vec, **settings | values)


def whole_rows(folder, fewest):
    """Assert that every row of a folder's tables is whole, and that there are as many as its summary says."""
    said, rows = read_summary(folder), read(folder / layout.METRICS_CSV)
    assert rows["iteration"].tolist() == list(range(1, said["iterations"] + 1))
    assert said["iterations"] >= fewest
    return said


@pytest.fixture(params=["sync", "async"])
def vec(request):
    return request.param


@pytest.mark.parametrize("how", every(4, FAILING))
def test_a_broken_step_fails_the_run_by_name_and_keeps_what_was_written(how, vec, small, tmp_path, capfd):
    with pytest.raises(UserError) as raised:
        train_configs([faulty(small, how, vec)], [tmp_path / "mine"])
    assert f"env.id=tests/Faulty-v0: {FAILING[how]}" in str(raised.value)
    assert "\n" not in str(raised.value)
    # 16 steps an iteration, some of them resets: 40 steps last for two whole iterations at least
    said = whole_rows(tmp_path / "mine", 2)
    assert (said["status"], said["reason"]) == ("failed", str(raised.value))
    assert "Traceback" not in capfd.readouterr().err
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("how", every(3, DIVERGING))
def test_what_is_not_finite_ends_the_run_as_diverged(how, vec, small, tmp_path):
    (result,) = train_configs([faulty(small, how, vec)], [tmp_path / "mine"])
    said = whole_rows(tmp_path / "mine", 3)
    assert result.status == "diverged"
    assert said["reason"] == f"{DIVERGING[how]} in iteration {said['iterations']}"
    assert np.isfinite(read(tmp_path / "mine" / layout.METRICS_CSV)["losses/policy_loss"][:2]).all()


@pytest.mark.parametrize("how", ["no reward", "short observation"])
def test_nonsense_that_arrays_would_swallow_never_trains_to_the_end(how, vec, small, tmp_path):
    """None would become NaN, and one number would be copied into all three of an observation."""
    try:
        train_configs([faulty(small, how, vec)], [tmp_path / "mine"])
    except UserError as error:
        assert "env.id=tests/Faulty-v0: its step failed" in str(error)
    assert read_summary(tmp_path / "mine")["status"] in ("failed", "diverged")


@pytest.mark.parametrize("how", every(2, HARMLESS))
def test_numbers_of_another_type_are_taken_as_float32(how, vec, small, tmp_path):
    (result,) = train_configs([faulty(small, how, vec)], [tmp_path / "mine"])
    assert result.status == "finished"


@pytest.mark.thorough
def test_sync_and_async_swallow_or_refuse_the_same(small, tmp_path):
    """Numbers of another type give the same run either way."""
    for how in HARMLESS:
        folders = [tmp_path / f"{how} {vec}" for vec in ("sync", "async")]
        for folder, vec in zip(folders, ("sync", "async")):
            train_configs([faulty(small, how, vec)], [folder])
        one, other = (read(folder / layout.METRICS_CSV) for folder in folders)
        assert all(np.array_equal(one[c], other[c], equal_nan=True) for c in one if c != "charts/SPS")


@pytest.mark.parametrize("how", ["constructor", "reset"])
def test_a_task_that_cannot_begin_is_one_message(how, vec, small, tmp_path, capfd):
    with pytest.raises(UserError) as raised:
        train_configs([faulty(small, how, vec)], [tmp_path / "mine"])
    reason = {"constructor": "has no licence", "reset": "its reset failed with RuntimeError: the simulator is out of"}
    assert "env.id=tests/Faulty-v0" in str(raised.value) and reason[how] in str(raised.value)
    assert "Traceback" not in capfd.readouterr().err
    assert multiprocessing.active_children() == []


@pytest.mark.thorough
def test_a_step_that_hangs_ends_at_the_timeout(small, tmp_path):
    config = faulty(small, "hang", "async", env__timeout=5.0)  # every other step must be faster
    with pytest.raises(UserError, match=r"env.timeout=5.0: a step of tests/Faulty-v0 took longer"):
        train_configs([config], [tmp_path / "mine"])
    assert whole_rows(tmp_path / "mine", 2)["status"] == "failed"
    assert multiprocessing.active_children() == []


def test_a_process_of_a_task_that_is_killed_is_named(small, tmp_path):
    with pytest.raises(UserError, match=r"env.id=tests/Faulty-v0: a process of it died during a step"):
        train_configs([faulty(small, "kill", "async")], [tmp_path / "mine"])
    assert whole_rows(tmp_path / "mine", 2)["status"] == "failed"
    assert multiprocessing.active_children() == []


class Killing:
    """A display that kills a process of the task after the second iteration."""

    def iteration(self, iteration, runs, scalars, evaluated):
        if iteration == 2:
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)


def test_a_process_killed_from_outside_is_named_and_the_run_continues_exactly(small, tmp_path, resumed, different):
    config = small(vec="async")
    train_configs([config], [tmp_path / "whole"])
    with pytest.raises(UserError, match="a process of it died"):
        train_configs([config], [tmp_path / "mine"], show=lambda *_: Killing())
    assert resumed(tmp_path / "mine").code == 0
    assert different(tmp_path / "mine", tmp_path / "whole") == []


@pytest.mark.parametrize("how", ["step", *map(thorough, ("four values", "object observation", "constructor", "reset"))])
def test_train_py_prints_one_line(how, vec, words, train_in, tmp_path, capfd):
    settings = {"evaluation__early": 0, "evaluation__late": 1, "segments": 1}
    typed = words(vec=vec, **settings)
    ended = train_in(tmp_path, *typed, f"env.kwargs={{how:'{how}',after:{AFTER}}}", "hydra.run.dir=mine")
    ended.refused("env.id=tests/Faulty-v0")
    assert capfd.readouterr().err == ""  # nor anything from the processes of the task
    if how != "constructor":
        assert json.loads((tmp_path / "mine" / layout.SUMMARY).read_text())["status"] == "failed"


@pytest.mark.parametrize("how", ["step", thorough("hang")])
def test_once_the_task_is_repaired_the_run_goes_on_as_if_it_had_never_broken(
    how, small, tmp_path, repaired, resumed, different
):
    config = small(env__kwargs={"how": how, "after": 8}, vec="async", env__timeout=5.0 if how == "hang" else None)
    with pytest.raises(UserError):
        train_configs([config], [tmp_path / "mine"])
    repaired()
    train_configs([config], [tmp_path / "whole"])
    assert resumed(tmp_path / "mine").code == 0
    assert different(tmp_path / "mine", tmp_path / "whole") == []


@pytest.fixture
def neighbours(small):
    """Three members, of which one (seed 1) has copies that break, by their reset seeds."""

    def make(how):
        streams = MemberStreams([1], Spaces(3, 1, continuous=True))
        seeds = [int(seed) for seed in streams.env_seeds(0, 2)]
        kwargs = {"how": how, "after": AFTER, "seeds": seeds}
        settings = {"segments": 1, "evaluation__early": 0, "evaluation__late": 1, "checkpoint__every": 1}
        return [small(seed=seed, env__kwargs=kwargs, **settings) for seed in range(3)]

    return make


def jobs_of(configs, folder):
    return [Job(i, config, folder / f"job{i}", (f"seed={config.seed}",)) for i, config in enumerate(configs)]


@pytest.mark.parametrize("how", ["step", thorough("four values")])
def test_the_neighbours_of_a_broken_task_say_why_they_failed_and_keep_their_rows(
    how, neighbours, tmp_path, repaired, resumed, different
):
    configs = neighbours(how)
    population = jobs_of(configs, tmp_path / "sweep")
    workers.train([population], 1, lambda progress: None)
    for job in population:
        said = whole_rows(job.folder, 2)
        assert said["status"] == "failed"
        assert said["reason"].startswith("env.id=tests/Faulty-v0: its step failed with")
    repaired()
    assert resumed(tmp_path / "sweep", "--workers", "1").code == 0
    for m, config in enumerate(configs):
        train_configs([config], [tmp_path / f"alone{m}"])
        assert different(tmp_path / "sweep" / f"job{m}", tmp_path / f"alone{m}") == []


@pytest.mark.parametrize("how", every(5, DIVERGING))
def test_the_neighbours_of_a_diverging_member_are_as_they_would_have_been_alone(how, neighbours, tmp_path, different):
    configs = neighbours(how)
    population = jobs_of(configs, tmp_path / "sweep")
    workers.train([population], 1, lambda progress: None)
    assert [read_summary(job.folder)["status"] for job in population] == ["finished", "diverged", "finished"]
    for m in (0, 2):
        train_configs([configs[m]], [tmp_path / f"alone{m}"])
        assert different(population[m].folder, tmp_path / f"alone{m}") == []


@pytest.mark.parametrize("damage", ["checkpoint", thorough("rows")])
def test_one_damaged_member_of_a_sweep_keeps_no_other_from_continuing(
    damage, small, killed, resumed, different, tmp_path
):
    configs = [small(seed=seed) for seed in range(3)]
    wholes = []
    for m, config in enumerate(configs):
        whole, left = killed(tmp_path / f"run{m}", config, 6)
        wholes.append(whole.folder)
        shutil.copytree(left, tmp_path / "sweep" / f"job{m}")
    broken = tmp_path / "sweep" / "job1"
    path = broken / layout.CHECKPOINTS / layout.LATEST if damage == "checkpoint" else broken / layout.METRICS_CSV
    os.truncate(path, 100)
    ended = resumed(tmp_path / "sweep", "--workers", "1")
    assert ended.code == 1
    assert str(path) in ended.err and "Traceback" not in ended.err
    for m in (0, 2):
        assert different(tmp_path / "sweep" / f"job{m}", wholes[m]) == []
    assert read_summary(broken)["status"] == "failed"
    assert "config" in read_summary(broken)
