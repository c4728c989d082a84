"""Deterministic evaluation on common random numbers: a frozen policy scores exactly the same twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl_decay.envs.contract import VecEnv
from rl_decay.errors import UserError
from rl_decay.types import aligned

Policy = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Evaluation:
    """Undiscounted return and length of each member's episodes [M, E], and whether they were cut before their end.

    faults: {member: error} of the members of which a copy failed; their numbers mean nothing.
    """

    returns: np.ndarray
    lengths: np.ndarray
    cut: np.ndarray
    faults: Mapping[int, UserError]


def evaluate(
    policy: Policy,
    envs: VecEnv,
    seeds: Sequence[int],
    members: int,
    device: torch.device,
    *,
    cap: int,
    active: np.ndarray | None = None,
) -> Evaluation:
    """Play one episode per slot, each to the end of its first: seeds [E] are the same for every member.

    policy maps observations [M, E, D] to actions. A slot is stepped until its episode has ended, so that nothing that
    happens in it depends on the others; those of members that are not `active` [M] (None = all are) never are. What has
    not ended after `cap` steps (`plan.episode_cap`) is cut. An observation, action or reward that is not finite makes
    the episode's return NaN; a copy that fails ends its member's evaluation. ValueError for a cap below 1: an
    evaluation without a step has no result.
    """
    if cap < 1:
        raise ValueError(f"an evaluation of at most {cap} steps has no result")
    episodes = len(seeds)
    padded = torch.zeros(members * episodes, aligned(envs.spaces.obs_size), dtype=torch.float32, device=device)
    returns, lengths = np.zeros(members * episodes), np.zeros(members * episodes, np.int64)
    running = (np.ones(members, bool) if active is None else active).repeat(episodes)
    faults: dict[int, UserError] = {}
    obs = envs.reset(list(seeds) * members)
    _take_faults(envs, faults, running.reshape(members, episodes))
    for _ in range(cap):
        if not running.any():
            break
        padded[:, : obs.shape[1]] = torch.from_numpy(_finite(obs, returns, running))
        actions = policy(padded.unflatten(0, (members, episodes))).cpu().numpy()
        step = envs.step(_finite(actions.reshape(len(running), *actions.shape[2:]), returns, running), running)
        returns[running] += step.rewards[running]
        lengths += running
        running &= ~(step.terminated | step.truncated)
        _take_faults(envs, faults, running.reshape(members, episodes))
        obs = step.obs
    shape = members, episodes
    return Evaluation(returns.reshape(shape), lengths.reshape(shape), running.reshape(shape), faults)


def _take_faults(envs: VecEnv, faults: dict[int, UserError], running: np.ndarray) -> None:
    """Add the errors of copies that have failed to those of their members, whose slots [M, E] then run no longer."""
    for slot, error in envs.take_faults().items():
        member = slot // running.shape[1]
        faults.setdefault(member, error)
        running[member] = False


def _finite(values: np.ndarray, returns: np.ndarray, running: np.ndarray) -> np.ndarray:
    """Replace what is not finite by 0, for a task may refuse it; returns of running slots that had it become NaN."""
    finite = np.isfinite(values)
    if finite.all():
        return values
    bad = ~finite.reshape(len(values), -1).all(1)
    returns[bad & running] = np.nan
    return np.where(finite, values, 0).astype(values.dtype)
