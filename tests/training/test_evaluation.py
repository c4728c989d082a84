"""Evaluation: the first episode of every slot, on the same seeds, without a trace in training."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
import torch

from rl_decay.config.schema import Env
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.ppo.agent import PPO
from rl_decay.rng import evaluation_seeds
from rl_decay.training.evaluation import evaluate
from rl_decay.training.population import member
from rl_decay.types import Spaces

CPU = torch.device("cpu")


def lean(obs):
    """A CartPole policy that balances for a while: push to where the pole leans."""
    return (obs[..., 2] > 0).long()


def scores(policy, env, seeds, members=1, cap=500):
    with closing(GymnasiumVec(env, members * len(seeds))) as envs:
        return evaluate(policy, envs, seeds, members, CPU, cap=cap)


@pytest.fixture
def agent_of():
    def make(*configs):
        seeds = [config.seed for config in configs]
        return PPO(configs[0], Spaces(4, 2, continuous=False), [member(c) for c in configs], seeds, CPU)

    return make


def test_plain_episodes_give_the_same():
    seeds = evaluation_seeds(1_000_003, 4)
    found = scores(lean, Env(), seeds)
    for i, seed in enumerate(seeds):
        env = gym.make("CartPole-v1")
        (obs, _), over, total, length = env.reset(seed=seed), False, 0.0, 0
        while not over:
            action = lean(torch.from_numpy(obs).view(1, 1, 4)).item()
            obs, reward, terminated, truncated, _ = env.step(action)
            over, total, length = terminated or truncated, total + float(reward), length + 1
        assert (found.returns[0, i], found.lengths[0, i]) == (total, length)
    assert len(set(found.returns[0])) > 1  # episodes of different lengths: the early ones were not counted on


def test_a_frozen_policy_scores_exactly_the_same_twice(agent_of, configure):
    ppo, envs, seeds = agent_of(configure(seed=1), configure(seed=2)), Env(), evaluation_seeds(0, 3)
    with closing(GymnasiumVec(envs, 6)) as slots:
        first, second = (evaluate(lambda o: ppo.act(o, None), slots, seeds, 2, CPU, cap=500) for _ in range(2))
    np.testing.assert_array_equal(first.returns, second.returns)
    np.testing.assert_array_equal(first.lengths, second.lengths)
    assert first.returns.shape == (2, 3)


def test_every_member_plays_the_same_seeds_and_alone_scores_the_same(agent_of, configure):
    seeds, configs = evaluation_seeds(0, 3), [configure(seed=s) for s in (1, 2, 1)]
    together = scores(lambda o: agent_of(*configs).act(o, None), Env(), seeds, members=3)
    np.testing.assert_array_equal(together.returns[0], together.returns[2])
    alone = scores(lambda o: agent_of(configs[1]).act(o, None), Env(), seeds)
    np.testing.assert_array_equal(together.returns[1], alone.returns[0])


def test_episodes_that_do_not_end_are_cut_and_counted():
    env = Env(id="tests/Push-v0", kwargs={"length": 10**9})
    found = scores(lambda obs: torch.zeros(1, 2, 1), env, [1, 2], cap=25)
    assert found.lengths.tolist() == [[25, 25]]
    assert found.cut.tolist() == [[True, True]]
    # an episode that ends in the very last step has ended
    found = scores(lambda obs: torch.zeros(1, 1, 1), Env(id="tests/Push-v0", kwargs={"length": 9}), [1], cap=9)
    assert (found.lengths.tolist(), found.cut.tolist()) == ([[9]], [[False]])
    found = scores(lean, Env(), [1, 2, 3], cap=40)
    assert found.cut.tolist() == (found.lengths == 40).tolist() and found.cut.any()


@pytest.mark.parametrize("cap", [0, -1])
def test_an_evaluation_without_a_step_is_no_result(cap):
    with pytest.raises(ValueError, match="no result"):
        scores(lean, Env(), [1], cap=cap)


def test_a_reward_that_is_not_finite_spoils_its_own_episode_alone():
    env = Env(id="tests/Push-v0", kwargs={"poison": [2], "after": 3})
    found = scores(lambda obs: torch.zeros(1, 3, 1), env, [1, 2, 3])
    assert np.isnan(found.returns).tolist() == [[False, True, False]]


@pytest.mark.parametrize("task", ["CartPole-v1", "tests/Push-v0"])
def test_evaluating_more_often_changes_nothing_that_is_learned(task, configure, train, differences):
    options = {"env__id": task, "normalize__obs": True, "normalize__reward": True}
    (seldom,) = train(configure(**options))
    (often,) = train(configure(**options, evaluation__early=2, evaluation__late=3, evaluation__seed=77))
    assert differences(seldom, often, ignore=("eval", "oscillation/")) == []
    assert differences(seldom, often) != []
