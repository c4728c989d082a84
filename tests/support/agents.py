"""Agents without environments, and random rollouts for them."""

from dataclasses import fields

import torch

from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams
from rl_decay.training.population import member
from rl_decay.types import Rollout, aligned

CPU = torch.device("cpu")


def agent(spaces, *configs):
    """A PPO for one configuration per member."""
    seeds = MemberStreams([config.seed for config in configs], spaces).init_seeds()
    return PPO(configs[0], spaces, [member(config) for config in configs], seeds, CPU)


def rollout(spaces, seeds, steps=32, num_envs=2):
    """A random rollout of the members with these seeds; a member's numbers depend on its own seed alone."""
    alone = [_rollout(spaces, seed, steps, num_envs) for seed in seeds]
    return Rollout(*(torch.cat([getattr(r, f.name) for r in alone], 1) for f in fields(Rollout)))


def _rollout(spaces, seed, steps, num_envs):
    g = torch.Generator().manual_seed(seed)
    grid = (steps, 1, num_envs)
    obs = torch.zeros(steps + 1, 1, num_envs, aligned(spaces.obs_size))
    obs[..., : spaces.obs_size] = torch.randn(steps + 1, 1, num_envs, spaces.obs_size, generator=g)
    actions = torch.randint(spaces.num_actions, grid, generator=g)
    if spaces.continuous:
        actions = torch.randn(*grid, spaces.num_actions, generator=g)
    if spaces.nvec:
        actions = torch.stack([torch.randint(options, grid, generator=g) for options in spaces.nvec], -1)
    done, valid = torch.rand(grid, generator=g) < 0.15, torch.ones(grid, dtype=torch.bool)
    for t in range(1, steps):
        valid[t] = ~done[t - 1]
        done[t] &= valid[t]
    rewards = torch.randn(grid, generator=g) * valid
    return Rollout(obs, actions, rewards, done & (torch.rand(grid, generator=g) < 0.5), done, valid)


def orders(seeds, rows=64, epochs=2):
    """Permutations [E, M, rows], a member's own from its seed."""
    generators = [torch.Generator().manual_seed(seed + 1000) for seed in seeds]
    each = [torch.stack([torch.randperm(rows, generator=g) for _ in range(epochs)]) for g in generators]
    return torch.stack(each, 1)


def schedule_values(members, lr=3e-3, clip=0.2, entropy=0.01):
    """Scheduled values [M] of an update."""
    values = {"actor": lr, "critic": lr, "clip": clip, "entropy": entropy}
    return {role: torch.full((members,), value) for role, value in values.items()}


def bits(ppo, member=None):
    """Everything an agent has learned, byte by byte, for all members or for one."""
    return dict(_leaves(ppo.state_dict(), slice(None) if member is None else slice(member, member + 1)))


def _leaves(state, members, name=""):
    if isinstance(state, dict):
        for key, value in state.items():
            yield from _leaves(value, members, f"{name}/{key}")
    else:
        yield name, state[members].detach().numpy().tobytes()
