"""Deterministic evaluation on common random numbers: a frozen policy scores exactly the same twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl_decay.envs.contract import VecEnv
from rl_decay.types import aligned

Policy = Callable[[Tensor], Tensor]
UNLIMITED = 10_000  # steps after which an episode is cut where the task itself has no time limit


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted return and length of each member's episodes [M, E]."""

    returns: np.ndarray
    lengths: np.ndarray


def evaluate(policy: Policy, envs: VecEnv, seeds: Sequence[int], members: int, device: torch.device) -> Evaluation:
    """Play one episode per slot, each to the end of its first: seeds [E] are the same for every member.

    policy maps observations [M, E, D] to actions. A slot that has finished goes on being stepped, uncounted, until
    the slowest has, or `UNLIMITED` steps in a task without a time limit. Rewards that are not finite make the
    episode's return NaN.
    """
    episodes = len(seeds)
    padded = torch.zeros(members * episodes, aligned(envs.spaces.obs_size), device=device)
    returns, lengths = np.zeros(members * episodes), np.zeros(members * episodes, np.int64)
    running = np.ones(members * episodes, bool)
    obs = envs.reset(list(seeds) * members)
    steps_left = envs.time_limit or UNLIMITED
    while running.any() and steps_left > 0:
        steps_left -= 1
        padded[:, : obs.shape[1]] = torch.from_numpy(np.nan_to_num(obs))
        actions = policy(padded.unflatten(0, (members, episodes))).cpu().numpy()
        actions = np.where(np.isfinite(actions), actions, 0).astype(actions.dtype)  # of a member that diverged
        step = envs.step(actions.reshape(members * episodes, *actions.shape[2:]))
        returns[running] += step.rewards[running]
        lengths += running
        running &= ~(step.terminated | step.truncated)
        obs = step.obs
    return Evaluation(returns.reshape(members, episodes), lengths.reshape(members, episodes))
