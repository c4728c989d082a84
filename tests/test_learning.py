"""Learning is the acceptance test: every row of the README's table, trained anew over five seeds (minutes each)."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch
from trained import train_configs

from rl_decay import load_policy
from rl_decay.runs import layout, tables

returns = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "returns.py")))

pytestmark = pytest.mark.slow
LEAST = {  # mean over seeds of the mean return of the last 100 training episodes
    "cartpole-cleanrl": 470,
    "acrobot-cleanrl": -95,
    "pendulum": -250,
    "mountain-car-continuous": 88,
    "mountain-car": -140,
}


@pytest.mark.parametrize("name", LEAST)
def test_it_learns(name, tmp_path):
    row = returns.measure(name, tmp_path)
    assert sum(row["training"]) / 5 >= LEAST[name], row


def test_the_default_solves_cartpole_for_every_seed(tmp_path):
    row = returns.measure("cartpole", tmp_path)
    assert min(row["evaluation"]) >= 475, row


@pytest.mark.parametrize(
    "task", [("nested", "dials"), ("nested", "button"), ("tuple", "matrix"), ("lamps", "switches")]
)
def test_parts_of_an_observation_are_read_and_every_component_of_an_action_is_learned(task, configure, train):
    """The panel shows what to do; a policy that guesses gets 0.27 to 0.5 a step, one that reads it gets 1."""
    obs, action = task
    configs = []
    for seed in range(3):
        values = {"env__id": "tests/Panel-v0", "env__kwargs": {"obs": obs, "action": action}, "seed": seed}
        sizes = {"env__num_envs": 8, "algo__num_steps": 128, "algo__epochs": 4, "algo__minibatches": 4}
        # What is shown next depends on no action, so a long horizon would be noise.
        rates = {"actor__lr": 3e-3, "critic__lr": 3e-3, "algo__gamma": 0.5, "evaluation__episodes": 20}
        configs.append(configure(**values, **sizes, **rates, total_steps=60 * 1024))
    for result in train(*configs):
        evaluations = tables.read(result.folder / layout.EVALUATIONS_CSV)
        per_step = evaluations["return_mean"][-1] / evaluations["episode_length"][-1]
        assert per_step >= 0.98


def noisy_actions(policy, episodes=20):
    """Pendulum's actions [steps] of a policy as it acts while it trains, and its returns [episodes]."""
    noise = torch.Generator().manual_seed(0)
    env = gym.make("Pendulum-v1")
    actions = []
    totals = []
    for seed in range(episodes):
        obs, _ = env.reset(seed=seed)
        total = 0.0
        over = False
        while not over:
            mean = policy.act(torch.from_numpy(obs).view(1, 1, -1))
            flat = mean + policy._log_std.exp() * torch.randn(mean.shape, generator=noise)
            (action,) = policy.codec.decode(flat[0].numpy())
            obs, reward, terminated, truncated, _ = env.step(action)
            actions.append(action[0])
            total += float(reward)
            over = terminated or truncated
        totals.append(total)
    env.close()
    return np.array(actions), totals


def test_tanh_learns_pendulum_and_puts_fewer_actions_exactly_at_the_bounds(tmp_path):
    """Torques lie in [-2, 2]. Clipped, all that the Gaussian draws outside becomes the bound itself."""
    at_bound = {}
    for squash in ("none", "tanh"):
        configs = returns.configurations(f"env=pendulum net.squash={squash}", 3)
        results = train_configs(configs, [tmp_path / f"{squash}{seed}" for seed in range(3)])
        shares = []
        for result in results:
            actions, noisy = noisy_actions(load_policy(result.folder))
            shares.append(np.mean(np.abs(actions) == 2))
            close = np.mean(np.abs(actions) >= 1.98)
            print(squash, f"{result.final_return:.1f} {np.mean(noisy):.1f} {shares[-1]:.3f} {close:.3f}")
            assert result.final_return >= -250
        at_bound[squash] = np.mean(shares)
    assert at_bound["tanh"] < at_bound["none"] / 2
