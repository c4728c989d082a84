"""From a rollout, time first, to minibatches, member first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import torch
from torch import Tensor

from rl_decay.ppo.distributions import Categorical, DiagGaussian
from rl_decay.types import Batch, Minibatch, Rollout


def member_first(x: Tensor) -> Tensor:
    """[T, M, N, ...] -> [M, T*N, ...], row t*N + n; always a copy.

    Contiguous, because a reduction over storage that is time-major gives other bits; a copy, because at M = 1 a
    reshape would be a view of the rollout.
    """
    return x.transpose(0, 1).clone(memory_format=torch.contiguous_format).flatten(1, 2)


def flatten(
    obs: Tensor, policy: Categorical | DiagGaussian, rollout: Rollout, advantages: Tensor, values: Tensor
) -> Batch:
    """The rows of a rollout: obs [M, T*N, D] already flat, advantages and values [T, M, N].

    Filler rows are zeroed in every field, so that nothing an ignored action or a reset left there can reach a mean:
    a weight of 0 alone would not stop infinity, since 0 * inf is NaN.
    """
    valid = member_first(rollout.valid)

    def masked(x: Tensor) -> Tensor:
        mask = valid.unsqueeze(-1) if x.dim() == 3 else valid
        return torch.where(mask, x, torch.zeros_like(x))

    actions = masked(member_first(rollout.actions))
    advantages, values = masked(member_first(advantages)), masked(member_first(values))
    return Batch(
        obs=masked(obs),
        actions=actions,
        old_log_probs=masked(policy.log_prob(actions)),
        advantages=advantages,
        returns=advantages + values,
        old_values=values,
        valid=valid.float(),
    )


def minibatches(batch: Batch, order: Tensor, count: int) -> Iterator[Minibatch]:
    """Cut the rows of a batch, taken in the order [M, T*N], into `count` equal minibatches [M, S, ...].

    Advantages become (A - mean) / (std + 1e-8) over the minibatch's valid rows, std with ddof=1 (Huang et al. 2022,
    detail 7).
    """
    members, total = order.shape
    rows = order + total * torch.arange(members, dtype=torch.int64, device=order.device).unsqueeze(-1)
    rows = rows.view(members, count, -1).transpose(0, 1).reshape(-1)  # minibatch, member, row

    def gathered(x: Tensor) -> Tensor:
        return x.flatten(0, 1).index_select(0, rows).unflatten(0, (count, members, -1))

    columns = {f.name: gathered(getattr(batch, f.name)) for f in fields(batch)}
    valid = columns.pop("valid")
    columns["rows"] = valid.sum(-1)
    columns["weight"] = valid / columns["rows"].clamp(min=1).unsqueeze(-1)
    columns["advantages"] = standardised(columns["advantages"], valid)
    for b in range(count):
        yield Minibatch(**{name: x[b] for name, x in columns.items()})


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the last axis of the valid rows; 0 if there is none."""
    return (x * valid).sum(-1) / valid.sum(-1).clamp(min=1)


def standardised(x: Tensor, valid: Tensor) -> Tensor:
    """(x - mean) / (std + 1e-8) over the valid rows of the last axis, std with ddof=1; 0 elsewhere.

    Written out because `var` and `std` give other bits for other members.
    """
    centred = (x - masked_mean(x, valid).unsqueeze(-1)) * valid
    variance = centred.square().sum(-1) / (valid.sum(-1) - 1).clamp(min=1)
    return centred / (variance.sqrt().unsqueeze(-1) + 1e-8)
