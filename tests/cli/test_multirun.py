"""A sweep with Hydra's own launcher: one bad job stops no other."""

import json

import pytest
from variants import every

from rl_decay.runs.layout import is_run

SWEEP = ("-m", "compare=none", "hydra/launcher=basic", "hydra.sweep.dir=sweep")
GRID = ("schedule/actor=none,linear", "schedule.actor.final=null,0.1")  # none takes no final: one job of four is wrong


@pytest.fixture(scope="module")
def sweep(train_in, tmp_path_factory, small):
    """A finished 2 x 2 grid with one job that cannot be run: how it ended, its folder, its summaries by overrides."""
    folder = tmp_path_factory.mktemp("grid")
    ended = train_in(folder, *SWEEP, *small, "total_steps=32", "logger=none", *GRID)
    jobs = sorted(job for job in (folder / "sweep").iterdir() if job.is_dir())
    summaries = {tuple((s := summary(job))["overrides"][-2:]): (job, s) for job in jobs}
    return ended, jobs, summaries


def summary(folder):
    return json.loads((folder / "summary.json").read_text())


def test_every_job_has_a_run_folder_of_its_own(sweep):
    _, jobs, summaries = sweep
    assert len(jobs) == len(summaries) == 4
    for (actor, final), (job, _) in summaries.items():
        assert is_run(job) and (job / ".hydra" / "overrides.yaml").is_file()
        assert {actor, final} <= set((job / ".hydra" / "overrides.yaml").read_text().replace("- ", "").split())


def test_a_folder_is_named_after_curves_seed_and_fingerprint(sweep):
    _, _, summaries = sweep
    for (actor, _), (job, said) in summaries.items():
        curves, seed, print8 = job.name.split("_")
        assert (curves, seed) == (f"{actor.partition('=')[2]}-linear", "seed0")
        assert len(print8) == 8 and int(print8, 16) >= 0
        if said["status"] == "finished":
            assert said["fingerprint"].startswith(print8)


def test_the_other_jobs_run(sweep):
    _, _, summaries = sweep
    finished = {given for given, (_, said) in summaries.items() if said["status"] == "finished"}
    assert finished == {
        ("schedule/actor=none", "schedule.actor.final=null"),
        ("schedule/actor=linear", "schedule.actor.final=null"),
        ("schedule/actor=linear", "schedule.actor.final=0.1"),
    }
    assert all(said["iterations"] == 1 for _, said in summaries.values() if said["status"] == "finished")


def test_the_bad_job_says_why(sweep):
    _, _, summaries = sweep
    job, said = summaries["schedule/actor=none", "schedule.actor.final=0.1"]
    assert (said["schema_version"], said["status"]) == (1, "failed")
    assert "schedule.actor.final=0.1" in said["reason"]
    assert not (job / "checkpoints").exists()


def test_failures_are_listed_at_the_end_and_make_the_exit_code(sweep):
    ended, _, summaries = sweep
    job, said = summaries["schedule/actor=none", "schedule.actor.final=0.1"]
    ended.refused("1 of 4 runs failed")
    last = ended.out.splitlines()[-1]
    assert job.name in last and said["reason"] in last


def test_a_job_that_the_task_refuses_stops_no_other(train_py, tmp_path, small):
    tasks = "env.id=CartPole-v1,Nope-v0"
    ended = train_py(*SWEEP, *small, "total_steps=32", "logger=none", tasks)
    ended.refused("1 of 2 runs failed")
    said = [summary(job) for job in (tmp_path / "sweep").glob("*/")]
    assert sorted(s["status"] for s in said) == ["failed", "finished"]
    assert next(s["reason"] for s in said if s["status"] == "failed").startswith("env.id=Nope-v0")


@pytest.mark.thorough
def test_an_unknown_key_fails_each_of_its_jobs(train_py, tmp_path):
    train_py(*SWEEP, "+schedule.foo=1,2").refused("2 of 2 runs failed")
    reasons = [summary(job)["reason"] for job in (tmp_path / "sweep").glob("*/")]
    assert len(reasons) == 2 and all(reason.startswith("schedule.foo") for reason in reasons)


@pytest.mark.thorough
def test_a_rate_that_is_no_number_fails_its_own_job(train_py, tmp_path, small):
    ended = train_py(*SWEEP, *small, "total_steps=32", "logger=none", "actor.lr=nan,1e-3")
    ended.refused("1 of 2 runs failed")
    said = [summary(job) for job in (tmp_path / "sweep").glob("*/")]
    assert {s["status"]: s["reason"] for s in said}["failed"].startswith("actor.lr=nan")


@pytest.mark.parametrize("mistake", every(3, ["schedule=none,cosine", "actor.lr=1e-3,fast", "schedule.warmpu=0.1,0.2"]))
def test_what_hydra_cannot_compose_ends_the_sweep_before_any_job(train_py, tmp_path, mistake):
    ended = train_py(*SWEEP, mistake, "logger=none")
    ended.refused(mistake.partition("=")[0])
    assert list(tmp_path.glob("sweep/*/")) == []


@pytest.mark.thorough
def test_a_sweep_without_failures_ends_with_0(train_py, tmp_path, small):
    ended = train_py(*SWEEP, *small, "total_steps=32", "logger=none", "seed=range(3,5)")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(summary(job)["seed"] for job in (tmp_path / "sweep").glob("*/")) == [3, 4]


@pytest.mark.parametrize("twice", every(2, ["seed=1,1", "checkpoint.every=1,2"]))
def test_two_jobs_of_the_same_experiment_do_not_pass_for_one(train_py, tmp_path, small, twice):
    ended = train_py(*SWEEP, *small, "total_steps=32", "logger=none", twice)
    jobs = list((tmp_path / "sweep").glob("*/"))
    assert len(jobs) == 2 or ended.code == 1, "the second job was dropped without a word"
