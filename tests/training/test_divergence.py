"""Runs that end early: their folder says why, and their neighbours do not notice."""

import math

import pytest

from rl_decay.ppo.agent import PPO
from rl_decay.rng import ENV, evaluation_seeds, reset_seeds
from rl_decay.runs import layout
from rl_decay.runs.recorder import RunRecorder

SEEDS = (0, 1, 2)


def poisoned(member, slot=1, what="reward", after=40):
    """Arguments of the task that break one environment of one member at its step 41, in the second iteration."""
    return {"poison": [reset_seeds(member, ENV, 0, 2)[slot]], "after": after, "what": what}


@pytest.mark.parametrize("what", ["reward", "observation"])
def test_a_task_that_breaks(what, configure, train, columns):
    (result,) = train(configure(env__id="tests/Push-v0", env__kwargs=poisoned(0, what=what), segments=1))
    assert result.status == layout.DIVERGED
    assert result.summary["reason"] == f"{what} not finite in iteration 2"
    assert result.summary["iterations"] == 2
    table = columns(result)
    assert table["iteration"] == ("1", "2")
    assert table["losses/policy_loss"][0] != ""
    assert table["losses/policy_loss"][1] == ""  # no step was made with what it returned


@pytest.mark.parametrize("what", ["reward", "observation"])
def test_its_neighbours_are_the_same_as_alone(what, configure, train, differences):
    def config(seed):
        kwargs = poisoned(1, what=what)
        return configure(seed=seed, env__id="tests/Push-v0", env__kwargs=kwargs, segments=1, normalize__obs=True)

    together = train(*map(config, SEEDS))
    assert [r.status for r in together] == [layout.FINISHED, layout.DIVERGED, layout.FINISHED]
    for seed, result in zip(SEEDS, together):
        (alone,) = train(config(seed))
        assert alone.summary["reason"] == result.summary["reason"]
        assert differences(alone, result) == []


def test_a_rate_that_is_far_too_large(configure, train, differences, columns):
    def config(seed):
        return configure(seed=seed, critic__lr=1e30 if seed == 1 else 1e-3)

    together = train(*map(config, SEEDS))
    assert [r.status for r in together] == [layout.FINISHED, layout.DIVERGED, layout.FINISHED]
    assert together[1].summary["reason"].startswith("loss, gradient or parameters not finite in iteration ")
    assert len(columns(together[1])["iteration"]) == together[1].summary["iterations"] < 4
    for seed in (0, 2):
        (alone,) = train(config(seed))
        assert differences(alone, together[seed]) == []


def test_a_task_gets_finite_actions_only(configure, train):
    options = {"env__id": "tests/Push-v0", "net__activation": "relu"}
    results = train(*(configure(seed=s, actor__lr=1e30 if s == 1 else 1e-3, **options) for s in (0, 1)))
    assert [r.status for r in results] == [layout.FINISHED, layout.DIVERGED]


def test_an_evaluation_that_breaks(configure, train):
    kwargs = {"poison": evaluation_seeds(1_000_003, 2)[:1], "after": 2}
    (result,) = train(configure(env__id="tests/Push-v0", env__kwargs=kwargs))
    assert result.status == layout.DIVERGED
    assert result.summary["reason"] == "evaluation return not finite at iteration 4"
    assert result.summary["last_return"] is None


def test_when_all_have_ended_training_stops(configure, train, push):
    kwargs = {"poison": [s for m in (0, 1) for s in reset_seeds(m, ENV, 0, 2)], "after": 3}
    options = {"env__id": "tests/Push-v0", "env__kwargs": kwargs, "segments": 4}
    results = train(configure(seed=0, **options), configure(seed=1, **options))
    assert [r.summary["iterations"] for r in results] == [1, 1]
    assert len(push.resets) == 4  # neither a second segment nor an evaluation


def test_parameters_that_overflow_in_the_last_step(configure, train):
    # 3e38 is the largest rate that float32 holds; Adam's first step moves every parameter by nearly that much
    (result,) = train(configure(actor__lr=3.4e38, total_steps=64, algo__epochs=1, algo__minibatches=1))
    assert result.status == layout.DIVERGED


def test_fillers_of_a_narrow_policy_with_many_actions_are_harmless(configure, train):
    # 17 actions at a standard deviation of exp(-6.5): the density of a filler's zeroed action overflows float32
    options = {"env__id": "tests/Push-v0", "env__kwargs": {"size": 17}, "net__log_std": -6.5, "actor__lr": 1e-6}
    (result,) = train(configure(**options))
    assert result.summary["valid_steps"] < result.summary["env_steps"]  # there were fillers
    assert result.status == layout.FINISHED


def test_an_observation_that_breaks_in_an_evaluation(configure, train):
    kwargs = {"poison": evaluation_seeds(1_000_003, 2)[:1], "after": 2, "what": "observation"}
    (result,) = train(configure(env__id="tests/Push-v0", env__kwargs=kwargs))
    assert (result.status, result.summary["reason"]) == (
        layout.DIVERGED,
        "evaluation return not finite at iteration 4",
    )


def test_a_run_that_has_ended_neither_acts_nor_learns(configure, train, monkeypatch):
    # the first evaluation of member 1 breaks after iteration 2 of 4; its policy must stay as it was then
    updates = []
    update = PPO.update

    def watched(ppo, rollout, permutations, rates, active):
        before = ppo.networks.parameters.clone()
        result = update(ppo, rollout, permutations, rates, active)
        moved = (ppo.networks.parameters != before).any(-1).view(2, -1).all(0)
        updates.append((active.tolist(), moved.tolist(), rollout.actions[:, 1].abs().sum().item()))
        return result

    evaluation, broken = RunRecorder.evaluation, []

    def breaking(run, iteration, returns, lengths, cut):
        if run.config.seed == 1 and iteration == 2:
            broken.append(iteration)
            returns = returns * math.nan
        return evaluation(run, iteration, returns, lengths, cut)

    monkeypatch.setattr(PPO, "update", watched)
    monkeypatch.setattr(RunRecorder, "evaluation", breaking)
    results = train(*(configure(seed=s, evaluation__late=1, evaluation__early=1) for s in (0, 1)))
    assert broken == [2]
    assert [r.status for r in results] == [layout.FINISHED, layout.DIVERGED]
    assert [active for active, _, _ in updates] == [[True, True]] * 2 + [[True, False]] * 2
    assert [moved for _, moved, _ in updates] == [[True, True]] * 2 + [[True, False]] * 2
