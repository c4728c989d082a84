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


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted return and length of each member's episodes [M, E], and whether they were cut before their end."""

    returns: np.ndarray
    lengths: np.ndarray
    cut: np.ndarray


def evaluate(
    policy: Policy, envs: VecEnv, seeds: Sequence[int], members: int, device: torch.device, *, cap: int
) -> Evaluation:
    """Play one episode per slot, each to the end of its first: seeds [E] are the same for every member.

    policy maps observations [M, E, D] to actions. A slot that has finished goes on being stepped, uncounted, until
    the slowest has; what has not ended after `cap` steps (`plan.episode_cap`) is cut. An observation, action or reward
    that is not finite makes the episode's return NaN. ValueError for a cap below 1: an evaluation without a step has no
    result.
    """
    if cap < 1:
        raise ValueError(f"an evaluation of at most {cap} steps has no result")
    episodes = len(seeds)
    padded = torch.zeros(members * episodes, aligned(envs.spaces.obs_size), dtype=torch.float32, device=device)
    returns, lengths = np.zeros(members * episodes), np.zeros(members * episodes, np.int64)
    running = np.ones(members * episodes, bool)
    obs = envs.reset(list(seeds) * members)
    for _ in range(cap):
        if not running.any():
            break
        padded[:, : obs.shape[1]] = torch.from_numpy(_finite(obs, returns, running))
        actions = policy(padded.unflatten(0, (members, episodes))).cpu().numpy()
        step = envs.step(_finite(actions.reshape(members * episodes, *actions.shape[2:]), returns, running))
        returns[running] += step.rewards[running]
        lengths += running
        running &= ~(step.terminated | step.truncated)
        obs = step.obs
    shape = members, episodes
    return Evaluation(returns.reshape(shape), lengths.reshape(shape), running.reshape(shape))


def _finite(values: np.ndarray, returns: np.ndarray, running: np.ndarray) -> np.ndarray:
    """Replace what is not finite by 0, for a task may refuse it; returns of running slots that had it become NaN."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    bad = ~finite.reshape(len(values), -1).all(1)
    returns[bad & running] = np.nan
    return np.where(finite, values, 0).astype(values.dtype)
