"""A sweep whose jobs lie below more than one folder, or above each other, or elsewhere."""

import json
import shutil

import pytest
from variants import every, keeping

from rl_decay import resume

NESTED = ("hydra.sweep.subdir=${env.id}/seed${seed}", "env=generic", "env.id=CartPole-v1,Acrobot-v1", "seed=0,1")
NAMES = [f"{task}/seed{seed}" for task in ("Acrobot-v1", "CartPole-v1") for seed in (0, 1)]
LAUNCHERS = {"population": ("hydra.launcher.workers=1",), "basic": ("hydra/launcher=basic",)}


@pytest.fixture(params=keeping(["population"], {name: name for name in LAUNCHERS}))
def launcher(request):
    """The words that choose a launcher."""
    return LAUNCHERS[request.param]


def statuses(sweep):
    found = {str(path.parent.relative_to(sweep)): json.loads(path.read_text()) for path in sweep.rglob("summary.json")}
    return {name: (summary["status"], summary.get("env_id")) for name, summary in sorted(found.items())}


def test_it_is_listed_reported_and_continued_as_one(train_py, tiny, tmp_path, launcher, capsys):
    sweep = tmp_path / "sweep"
    ended = train_py(*tiny, *NESTED, *launcher, "compare=auto")
    assert (ended.code, ended.err) == (0, "")
    assert [job["folder"] for job in json.loads((sweep / "jobs.json").read_text())] == [NAMES[i] for i in (2, 3, 0, 1)]
    assert statuses(sweep) == {name: ("finished", name.partition("/")[0]) for name in NAMES}
    assert "4 runs: 4 finished" in ended.out
    assert "no comparison: " in ended.out and "CartPole-v1" in ended.out  # different tasks, and it found them
    shutil.rmtree(sweep / "CartPole-v1" / "seed1")  # as if it had never begun
    between = sweep / "CartPole-v1"
    assert resume.main([str(between)]) == 1
    assert f"lies inside a sweep; continue it as a whole: python -m rl_decay.resume {sweep}" in capsys.readouterr().err
    assert resume.main([str(sweep), "--workers", "1"]) == 0
    assert "3 of 4 runs have ended already" in capsys.readouterr().out
    assert statuses(sweep) == {name: ("finished", name.partition("/")[0]) for name in NAMES}


def test_a_failure_deep_inside_is_reported(breaking, train_py, tiny, tmp_path, launcher):
    tasks = ("env=generic", "env.num_envs=2", "env.id=sweep_tasks:Raising-v0,CartPole-v1")
    ended = train_py(*tiny, *tasks, *launcher, "hydra.sweep.subdir='deep/er/${env.id}'")
    assert ended.code == 1 and "error: 1 of 2 runs failed" in ended.err.splitlines()
    assert "2 runs: 1 finished, 1 failed" in ended.out
    assert "deep/er/sweep_tasks:Raising-v0: " in ended.out.splitlines()[-1]


@pytest.mark.thorough
def test_a_job_that_cannot_be_run_is_counted_deep_inside_too(train_py, tiny):
    ended = train_py(*tiny, "actor.lr=1e-3,-1", "hydra/launcher=basic", "hydra.sweep.subdir='a/b/${actor.lr}'")
    ended.refused("1 of 2 runs failed")
    assert "a/b/-1.0: actor.lr=-1.0" in ended.out.splitlines()[-1]


@pytest.mark.parametrize(
    "launcher_name, subdir, words",
    every(
        4,
        [
            ("population", "/tmp/elsewhere_${seed}", ["hydra.sweep.subdir=/tmp/elsewhere_0", "relative name"]),
            ("basic", "../x${seed}", ["hydra.sweep.subdir=../x0", "relative name"]),
            ("population", "a/../../x${seed}", ["a/../../x0", "relative name"]),
            ("population", ".", ["hydra.sweep.subdir=.", "relative name"]),
            ("basic", "''", ["hydra.sweep.subdir=", "relative name"]),
            ("population", "same", ["jobs 0", "and 1", "same folder"]),
            ("basic", "'${env.id}'", ["jobs 0", "and 1", "same folder"]),
            ("basic", "x/./y", ["same folder"]),
        ],
    ),
)
def test_folders_that_are_none_of_the_jobs_own_are_refused(train_py, tiny, tmp_path, launcher_name, subdir, words):
    train_py(*tiny, "seed=0,1", *LAUNCHERS[launcher_name], f"hydra.sweep.subdir={subdir}").refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_folder_of_each_job_is_refused(train_py, tiny, tmp_path, launcher):
    folders = ("hydra.sweep.dir='sweeps/${seed}'", "hydra.sweep.subdir=job")
    ended = train_py(*tiny, "seed=1,2", *launcher, *folders)
    ended.refused("job 0 (", "hydra.sweep.dir=", "sweeps/1", "hydra.sweep.subdir")
    assert list(tmp_path.iterdir()) == []


def test_a_job_inside_the_folder_of_another_is_refused(train_py, tiny, tmp_path, launcher):
    names = ("+env.kwargs.name=a,a/b", "hydra.sweep.subdir='${env.kwargs.name}'")
    train_py(*tiny, *names, *launcher).refused("jobs 0", "and 1", "one inside the other")
    assert list(tmp_path.iterdir()) == []
