"""Runs with wrappers, and of tasks that are not registered: trained, continued, replayed, filmed, compared."""

import json

import numpy as np
import pytest
from trained import train_configs

import rl_decay
from rl_decay import compare, resume
from rl_decay.errors import UserError
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.evaluate.replay import replay
from rl_decay.runs.folder import default_folder
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import evaluation_returns
from rl_decay.training import population

TIME = "gymnasium.wrappers.TimeAwareObservation"
STACK = {"wrapper": "gymnasium.wrappers.FrameStackObservation", "stack_size": 4}
STICKY = {"wrapper": "gymnasium.wrappers.StickyAction", "repeat_action_probability": 0.2}
TASKS = {
    "wrapped": {"env__id": "CartPole-v1", "env__wrappers": [TIME, STACK]},
    "counted": {"env__id": "tests/Push-v0", "env__wrappers": ["odd_wrappers.Counting"]},
    "a class": {"env__entry_point": "odd_tasks:Slide"},
    "a function": {"env__entry_point": "odd_tasks:made", "env__wrappers": ["odd_wrappers.Counting"]},
}
EVERY_TASK = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@EVERY_TASK
@pytest.mark.parametrize("vec", ["sync", "async"])
def test_a_policy_plays_the_task_that_it_was_trained_on(task, vec, configure, train):
    (result,) = train(configure(**task, vec=vec))
    assert result.status == "finished"
    policy = rl_decay.load_policy(result.folder, trust=["odd_tasks"])
    _, returns = evaluation_returns(result.folder / "evaluations.csv")
    assert replay(policy).returns.mean() == returns[-1]  # the wrappers, and their state at an evaluation's start
    obs = np.zeros(policy.codec.obs_space.shape, np.float32)
    assert policy.codec.action_space.contains(policy(obs))


@EVERY_TASK
def test_a_member_of_a_population_does_not_notice_its_neighbours(task, configure, train, differences):
    configs = [configure(**task, seed=seed) for seed in range(2)]
    members = train(*configs)
    for config, member in zip(configs, members):
        (alone,) = train(config)
        assert differences(alone, member) == []


def test_both_back_ends_train_the_same_run(configure, train, differences):
    runs = [train(configure(**TASKS["counted"], vec=vec, segments=2))[0] for vec in ("sync", "async")]
    assert differences(*runs) == []


def test_a_counter_is_part_of_what_is_learned(configure, train, differences):
    """The test of exact resume would prove little if the wrapper changed nothing."""
    runs = [train(configure(env__id="tests/Push-v0", env__wrappers=w))[0] for w in ([], ["odd_wrappers.Counting"])]
    assert differences(*runs) != []


def test_the_derived_id_is_recorded_and_names_the_folder(configure, tmp_path):
    config = configure(env__entry_point="odd_tasks:Slide")
    (result,) = train_configs([config], [tmp_path / "mine"])
    assert result.summary["env_id"] == result.summary["config"]["env.id"] == "odd_tasks:Slide"
    assert result.summary["unit"] == "return"
    assert any(note.startswith("evaluations: odd_tasks:Slide names no time limit") for note in result.summary["notes"])
    folder = default_folder(population.with_full_id(population.check(config)), "20200101-000000")
    assert folder.startswith("runs/odd_tasks:Slide/linear-linear/seed0-20200101-000000-")
    assert folder.endswith(result.summary["fingerprint"][:8])


def test_the_record_of_an_entry_point_needs_a_word(configure, train, capsys):
    (result,) = train(configure(env__entry_point="odd_tasks:Slide"))
    with pytest.raises(UserError, match=r'add --trust odd_tasks \(in Python: trust=\["odd_tasks"\]\)'):
        rl_decay.load_policy(result.folder)
    assert evaluate.main([str(result.folder)]) == 1
    assert "--trust odd_tasks" in capsys.readouterr().err
    assert evaluate.main([str(result.folder), "--trust", "odd_tasks"]) == 0
    assert "odd_tasks:Slide" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrapper", "unit"),
    [(TIME, "score"), (STACK, "score"), (STICKY, "return"), ("odd_wrappers.Negated", "return")],
)
def test_a_score_is_for_wrappers_that_leave_returns_alone(wrapper, unit, configure, train, capsys):
    (result,) = train(configure(env__wrappers=[wrapper]))
    assert result.summary["unit"] == unit
    evaluate.main([str(result.folder)])
    assert (" - " in capsys.readouterr().out) == (unit == "return")


def test_other_wrappers_are_another_run(configure, tmp_path):
    train_configs([configure()], [tmp_path / "mine"])
    with pytest.raises(UserError, match=r"env.wrappers=.*TimeAware.* has env.wrappers=\[\]; another value is"):
        train_configs([configure(env__wrappers=[TIME], resume="auto")], [tmp_path / "mine"])


def test_other_observations_are_arms_of_one_task_and_other_rewards_another_task(configure, train, tmp_path):
    bare, stacked, negated = (
        train(configure(env__wrappers=wrappers))[0].folder for wrappers in ([], [STACK], ["odd_wrappers.Negated"])
    )
    comparison = compare.run([bare, stacked], tmp_path / "report")
    assert comparison.tasks == ("CartPole-v1",) and comparison.unit == "score"
    assert [arm.name.startswith("env.wrappers=[") for arm in comparison.arms] == [True, True]
    with pytest.raises(UserError, match=r'^env\.wrappers differs: .*none.*\["odd_wrappers.Negated"\].*returns mean'):
        compare.run([bare, negated], tmp_path / "other")


def test_a_recorded_item_that_cannot_be_one_is_refused_with_its_file(configure, train, capsys):
    (result,) = train(configure(env__wrappers=[TIME]))
    summary = read_summary(result.folder)
    summary["config"]["env.wrappers"] = [3]
    (result.folder / "summary.json").write_text(json.dumps(summary | {"status": "interrupted"}))
    assert resume.main([str(result.folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{result.folder}/summary.json: env.wrappers[0]=3: must be an import path" in line
