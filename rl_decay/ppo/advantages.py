"""Generalised advantage estimation on streams with time limits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def gae(
    rewards: Tensor,
    values: Tensor,
    terminated: Tensor,
    done: Tensor,
    *,
    gamma: Tensor | float,
    gae_lambda: Tensor | float,
) -> Tensor:
    """Advantages of T steps by a backward recursion (Schulman et al. 2016, equation 16).

        delta_t = r_t + gamma V(obs_{t+1}) [not terminated_t] - V(obs_t)
        A_t     = delta_t + gamma lambda [not done_t] A_{t+1},     A_T = 0

    rewards, terminated, done [T, ...]; values [T+1, ...] of the observations reached, so `values[t+1]` bootstraps a
    truncated episode with its own last observation; gamma, gae_lambda broadcast against [...]. Returns [T, ...].
    A filler row gets some number too; it links to no neighbour, and the caller gives it weight 0.
    """
    # Only a termination has value 0 behind it: a truncated episode would have gone on.
    bootstrap = gamma * values[1:] * ~terminated
    deltas = rewards + bootstrap - values[:-1]
    # Both ends cut the trace: the next row belongs to another episode.
    decay = gamma * gae_lambda * (~done).to(rewards.dtype)
    advantages = torch.empty_like(deltas)
    delta, factor, advantage = (array_on_cpu(x) for x in (deltas, decay, advantages))
    trace = 0.0
    for t in reversed(range(len(rewards))):
        trace = delta[t] + factor[t] * trace
        advantage[t] = trace
    return advantages


def array_on_cpu(x: Tensor) -> Any:
    """The same memory as a NumPy array where it is on the CPU: a loop of small operations takes a third of the time."""
    return x.numpy() if x.device.type == "cpu" else x
