"""What is learned does not depend on the back-end that steps the slots; plan and summary say which one it was."""

from io import StringIO

import gymnasium as gym
import pytest
from rich.console import Console
from trained import train_configs

from rl_decay.console.run_tables import plan_table
from rl_decay.envs import batchable
from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.evaluate.replay import replay

NORMALIZED = {"normalize__obs": True, "normalize__reward": True}
TASKS = {
    "CartPole-v1": {"env__num_envs": 3, "algo__num_steps": 50, "algo__minibatches": 3, "evaluation__episodes": 5},
    "Acrobot-v1": {"env__kwargs": {"max_episode_steps": 40}},
    "MountainCar-v0": {"env__kwargs": {"max_episode_steps": 30, "goal_velocity": 0.01}},
    "MountainCarContinuous-v0": {"env__kwargs": {"max_episode_steps": 30}, "net__squash": "tanh"},
    "Pendulum-v1": {"env__kwargs": {"max_episode_steps": 25, "g": 9.81}, "env__rescale_actions": True, **NORMALIZED},
}


@pytest.mark.parametrize("task", TASKS)
def test_a_run_has_the_same_bits(task, configure, train, differences):
    values = {"env__id": task, "evaluation__late": 2, **TASKS[task]}
    (copies,) = train(configure(**values, vec="sync"))
    (batched,) = train(configure(**values, vec="batched"))
    (chosen,) = train(configure(**values))
    assert differences(copies, batched) == differences(copies, chosen) == []
    assert [run.summary["vec"] for run in (copies, batched, chosen)] == ["sync", "batched", "batched"]
    assert copies.summary["fingerprint"] == batched.summary["fingerprint"] == chosen.summary["fingerprint"]
    assert chosen.summary["notes"] == []


def test_a_member_of_a_batched_population_is_a_run_of_copies_alone(configure, train, differences):
    values = {"env__id": "CartPole-v1", "env__num_envs": 3, "algo__minibatches": 3, "segments": 2}
    members = train(*(configure(**values, seed=seed, vec="batched") for seed in range(3)))
    for seed, member in enumerate(members):
        (alone,) = train(configure(**values, seed=seed, vec="sync"))
        assert differences(alone, member) == [], seed


def test_the_plan_and_the_summary_say_what_auto_took_and_why(configure, tmp_path, monkeypatch):
    shown = []

    def show(config, plan, device):
        console = Console(width=400, file=StringIO())
        console.print(plan_table(config, plan, device))
        shown.append(console.file.getvalue())

    config = configure(env__id="CartPole-v1", segments=1)
    train_configs([config], [tmp_path / "tested"], show=show)
    monkeypatch.setattr(batchable, "TESTED_GYMNASIUM", ("0.0.1",))
    (run,) = train_configs([config], [tmp_path / "untested"], show=show)
    assert "CartPole-v1, 2 environments (batched)" in shown[0] and "one by one" not in shown[0]
    assert "CartPole-v1, 2 environments (sync)" in shown[1]
    words = f"tested for Gymnasium 0.0.1, and {gym.__version__} is installed"
    assert words in shown[1]
    (note,) = run.summary["notes"]
    assert note.startswith("vec: auto steps the copies one by one (sync)") and words in note
    assert run.summary["vec"] == "sync" and run.summary["config"]["vec"] == "auto"


def test_a_task_that_cannot_be_batched_is_refused_before_it_is_played(configure, train):
    with pytest.raises(UserError, match=r"vec=batched: env\.id=tests/Push-v0 is no task .*; set vec=sync"):
        train(configure(env__id="tests/Push-v0", vec="batched"))


def test_a_policy_of_a_batched_run_is_replayed_on_whatever_gymnasium_there_is(configure, train, monkeypatch):
    (run,) = train(configure(env__id="Pendulum-v1", vec="batched", evaluation__episodes=3))
    batched = replay(load_policy(run.folder))
    monkeypatch.setattr(batchable, "TESTED_GYMNASIUM", ())
    copies = replay(load_policy(run.folder))
    assert batched.returns.tobytes() == copies.returns.tobytes() and batched.returns.mean() == run.final_return


def test_a_time_limit_of_steps_makes_auto_async(configure, train):
    (run,) = train(configure(env__id="CartPole-v1", env__timeout=60.0))
    assert run.summary["vec"] == "async"
