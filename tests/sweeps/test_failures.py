"""One job that breaks, one worker that dies: the others go on, and the reason is told."""

import pytest
from variants import thorough

from rl_decay.rng import MemberStreams
from rl_decay.types import Spaces


@pytest.mark.thorough
def test_a_diverging_member_leaves_its_neighbours_as_they_were(train_py, tiny, tmp_path, summaries, differences):
    three = ("schedule=none", "total_steps=96", "critic.lr=1e-3,1e30,2e-3")
    codes = [
        train_py(*tiny, *three, "hydra/launcher=basic", "hydra.sweep.dir=basic").code,
        train_py(*tiny, *three, "hydra.launcher.workers=1", "hydra.sweep.dir=population").code,
    ]
    assert codes[0] == codes[1]
    said = summaries(tmp_path / "population")
    assert sorted(s["status"] for s in said.values()) == ["diverged", "finished", "finished"]
    assert said.keys() == summaries(tmp_path / "basic").keys()
    for name, summary in said.items():
        assert differences(tmp_path / "basic" / name, tmp_path / "population" / name) == []
        assert (summary["status"] == "diverged") == (summary["config"]["critic.lr"] == 1e30)
        assert (summary["status"] == "diverged") == (summary["reason"] is not None)


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize(
    "workers, task, reason",
    [
        thorough(2, "Exiting-v0", "died with exit code 3"),
        (1, "Raising-v0", "OSError: the simulator is out of fuel"),
    ],
)
def test_what_breaks_takes_no_other_population_along(
    train_py, tiny, tmp_path, summaries, differences, workers, task, reason
):
    sound = (*tiny, "env=generic", "env.num_envs=2")
    ended = train_py(*sound, f"env.id=sweep_tasks:{task},Pendulum-v1", f"hydra.launcher.workers={workers}")
    said = {s["config"]["env.id"]: (name, s) for name, s in summaries(tmp_path / "sweep").items()}
    broken, summary = said[f"sweep_tasks:{task}"]
    assert summary["status"] == "failed" and reason in summary["reason"]
    name, summary = said["Pendulum-v1"]
    assert summary["status"] == "finished"
    assert ended.code == 1
    assert "error: 1 of 2 runs failed" in ended.err.splitlines()
    assert broken in ended.out.splitlines()[-1] and reason in ended.out.splitlines()[-1]
    train_py(*sound, "env.id=Pendulum-v1", "hydra.sweep.dir=alone", "hydra/launcher=basic")
    assert differences(tmp_path / "sweep" / name, tmp_path / "alone" / name) == []


@pytest.mark.usefixtures("breaking")
@pytest.mark.parametrize("vec", ["sync", thorough("async")])
def test_a_member_whose_task_breaks_leaves_its_neighbours_as_they_were(
    train_py, tiny, tmp_path, summaries, differences, vec
):
    seeds = MemberStreams([1], Spaces(3, 1, continuous=True)).env_seeds(0, 2)
    task = (f"env.kwargs={{seeds:[{seeds[0]}]}}", "env.id=sweep_tasks:Choosy-v0", "env.num_envs=2", "segments=1")
    words = (*tiny, "env=generic", *task, f"vec={vec}", "total_steps=320")
    ended = train_py(*words, "seed=0,1,2", "hydra.launcher.workers=1")
    said = {s["config"]["seed"]: (name, s) for name, s in summaries(tmp_path / "sweep").items()}
    assert [said[seed][1]["status"] for seed in range(3)] == ["finished", "failed", "finished"]
    assert "its step failed with OSError: the simulator is out of fuel" in said[1][1]["reason"]
    assert ended.code == 1
    assert "error: 1 of 3 runs failed" in ended.err.splitlines()
    for seed in (0, 2):
        train_py(*words, f"seed={seed}", f"hydra.sweep.dir=alone{seed}", "hydra/launcher=basic")
        (single,) = (tmp_path / f"alone{seed}").glob("*/")
        assert differences(tmp_path / "sweep" / said[seed][0], single) == []
