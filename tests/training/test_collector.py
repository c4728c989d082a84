"""Collecting, against scripts and against plain environments."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
import torch

from rl_decay.config.schema import Env
from rl_decay.envs.contract import Step
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.training.collector import Collector
from rl_decay.types import Spaces

CPU = torch.device("cpu")
T, F = True, False


class Script:
    """Slots that play given rewards and ends; observations count the steps; it remembers the actions it got."""

    spaces, time_limit = Spaces(1, 2, continuous=False), None

    def __init__(self, rewards, terminated, truncated, obs=None):
        self.rewards, self.terminated, self.truncated = map(np.array, (rewards, terminated, truncated))  # [steps, S]
        self.obs = np.arange(1.0, len(rewards) + 1)[:, None] * np.ones(self.rewards.shape[1]) if obs is None else obs
        self.actions, self.t = [], 0

    def reset(self, seeds):
        self.after_done = np.zeros(self.rewards.shape[1], bool)
        return np.zeros((self.rewards.shape[1], 1), np.float32)

    def take_faults(self):
        return {}

    def step(self, actions):
        self.actions.append(actions.tolist())
        t, valid = self.t, ~self.after_done
        self.t += 1
        self.after_done = self.terminated[t] | self.truncated[t]
        obs = np.asarray(self.obs[t], np.float32)[:, None]
        return Step(obs, self.rewards[t].astype(float), self.terminated[t], self.truncated[t], valid)


def always_one(obs, noise):
    return torch.ones(obs.shape[:2], dtype=torch.int64)


def collector(envs, members, num_envs, num_steps, active=None):
    c = Collector(envs, members, num_envs, num_steps, CPU)
    c.reset([0] * members * num_envs)
    noise = torch.zeros(num_steps, members, num_envs, envs.spaces.num_actions)
    living = np.ones(members, bool) if active is None else np.array(active)
    return c, lambda act=always_one: c.collect(act, noise, living)


def column(x, slot=0):
    return x.flatten(1)[:, slot].tolist()


def test_what_must_survive_from_one_rollout_to_the_next():
    # an episode of 3 steps that ends in the last row of a rollout, its filler, and one of 4 steps across the cut
    script = Script(
        rewards=[[1], [2], [4], [0], [8], [16], [32], [64], [0]],
        terminated=[[F], [F], [T], [F], [F], [F], [F], [F], [F]],
        truncated=[[F], [F], [F], [F], [F], [F], [F], [T], [F]],
    )
    _, collect = collector(script, 1, 1, num_steps=3)
    first, second, third = (collect() for _ in range(3))
    assert [column(rollout.valid) for rollout, *_ in (first, second, third)] == [[T, T, T], [F, T, T], [T, T, F]]
    assert [column(rollout.done) for rollout, *_ in (first, second, third)] == [[F, F, T], [F, F, F], [F, T, F]]
    assert [column(rollout.terminated) for rollout, *_ in (first, third)] == [[F, F, T], [F, F, F]]
    assert [column(rollout.rewards) for rollout, *_ in (first, second)] == [[1, 2, 4], [0, 8, 16]]
    assert [rollout.obs[:, 0, 0, 0].tolist() for rollout, *_ in (first, second)] == [[0, 1, 2, 3], [3, 4, 5, 6]]
    episodes = [[(e.member, e.total_reward, e.length) for e in found] for _, found, _ in (first, second, third)]
    assert episodes == [[(0, 7.0, 3)], [], [(0, 120.0, 4)]]


def test_a_rollout_is_not_overwritten_by_the_next():
    script = Script([[1.0]] * 6, [[F]] * 6, [[F]] * 6)
    _, collect = collector(script, 1, 1, num_steps=3)
    first, *_ = collect()
    before = first.obs.clone()
    collect()
    assert torch.equal(first.obs, before)


def test_a_cut_episode_is_not_reported():
    script = Script([[1], [2], [4], [8]], [[F], [F], [F], [T]], [[F]] * 4)
    c, collect = collector(script, 1, 1, num_steps=2)
    assert collect()[1] == []
    c.reset([0])
    rollout, (episode,), _ = collect()
    assert (rollout.obs[0] == 0).all()
    assert (episode.total_reward, episode.length) == (12.0, 2)  # not 15 and 4


def test_slots_belong_to_members_in_order():
    script = Script([[0, 1, 2, 3, 4, 5]] * 2, [[F] * 6, [F, T, F, F, F, T]], [[F] * 6, [F, F, F, T, F, F]])
    _, collect = collector(script, 3, 2, num_steps=2)
    rollout, episodes, _ = collect()
    assert rollout.rewards[0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert [(e.member, e.total_reward) for e in episodes] == [(0, 2.0), (1, 6.0), (2, 10.0)]


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("what", ["reward", "observation"])
def test_what_is_not_finite_is_reported_and_kept_from_everybody(garbage, what):
    numbers = np.ones((4, 6))
    numbers[1, 3] = garbage  # member 1 of three, environment 1 of two
    plain = np.ones((4, 6))
    script = Script(
        numbers if what == "reward" else plain, [[F] * 6] * 4, [[F] * 6] * 4, plain if what == "reward" else numbers
    )
    _, collect = collector(script, 3, 2, num_steps=4)
    rollout, _, faults = collect()
    cast = what == "observation" and np.isinf(garbage)  # it may have been a large number before it was cast
    assert faults == {1: f"{what} not finite{' in float32' if cast else ''}"}
    found = rollout.rewards if what == "reward" else rollout.obs[1:, ..., 0]
    assert found[1].tolist() == [[1, 1], [1, 0], [1, 1]]
    assert found.sum() == 23
    assert script.actions == [[1] * 6] * 2 + [[1, 1, 0, 0, 1, 1]] * 2  # from then on it acts with zeros


def test_a_reward_that_float32_cannot_hold_is_called_so():
    script = Script([[1e39]], [[F]], [[F]])
    _, collect = collector(script, 1, 1, num_steps=1)
    rollout, _, faults = collect()
    assert faults == {0: "reward beyond float32 (3.4e+38)"} and rollout.rewards.tolist() == [[[0]]]


def test_members_that_have_ended_act_with_zeros():
    script = Script([[0.0] * 4] * 2, [[F] * 4] * 2, [[F] * 4] * 2)
    _, collect = collector(script, 2, 2, num_steps=2, active=[False, True])
    collect()
    assert script.actions == [[0, 0, 1, 1]] * 2


def test_cartpole_replayed_by_hand():
    members, num_envs, steps, seeds = 2, 2, 60, [3, 4, 5, 6]
    noise = torch.rand(3 * steps, members, num_envs, 2, generator=torch.Generator().manual_seed(0))
    with closing(GymnasiumVec(Env(), 4)) as envs:
        c = Collector(envs, members, num_envs, steps, CPU)
        c.reset(seeds)
        parts = [
            c.collect(lambda _, n: n.argmax(-1), noise[k * steps : (k + 1) * steps], np.ones(2, bool)) for k in range(3)
        ]
    found = [e for _, episodes, _ in parts for e in episodes]
    expected = []
    for slot, seed in enumerate(seeds):
        m, n = divmod(slot, num_envs)
        env = gym.make("CartPole-v1")
        obs, over, total, length = env.reset(seed=seed)[0], False, 0.0, 0
        for t in range(3 * steps):
            rollout, row = parts[t // steps][0], t % steps
            np.testing.assert_array_equal(rollout.obs[row, m, n], obs)
            assert rollout.valid[row, m, n] == (not over)
            if over:
                obs, over, total, length = env.reset()[0], False, 0.0, 0
                assert rollout.rewards[row, m, n] == 0
                continue
            obs, reward, terminated, truncated, _ = env.step(rollout.actions[row, m, n].item())
            over, total, length = terminated or truncated, total + float(reward), length + 1
            flags = (rollout.rewards[row, m, n], rollout.terminated[row, m, n], rollout.done[row, m, n])
            assert flags == (reward, terminated, over)
            if over:
                expected.append((m, total, length))
    assert len(expected) > 8
    assert sorted((e.member, e.total_reward, e.length) for e in found) == sorted(expected)
