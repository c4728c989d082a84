"""From a rollout, time first, to minibatches, member first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import torch
from torch import Tensor

from rl_decay.ppo.distributions import Distribution
from rl_decay.types import Batch, Minibatch, Rollout


def member_first(x: Tensor) -> Tensor:
    """[T, M, N, ...] -> [M, T*N, ...], row t*N + n; always a copy.

    Contiguous, because a reduction over storage that is time-major gives other bits; a copy, because at M = 1 a
    reshape would be a view of the rollout.
    """
    return x.transpose(0, 1).clone(memory_format=torch.contiguous_format).flatten(1, 2)


def flatten(obs: Tensor, policy: Distribution, rollout: Rollout, advantages: Tensor, values: Tensor) -> Batch:
    """The rows of a rollout: obs [M, T*N, D] already flat, advantages and values [T, M, N].

    Filler rows are zeroed in every field, so that nothing an ignored action or a reset left there can reach a mean:
    a weight of 0 alone would not stop infinity, since 0 * inf is NaN.
    """
    valid = member_first(rollout.valid)

    def masked(x: Tensor) -> Tensor:
        mask = valid.unsqueeze(-1) if x.dim() == 3 else valid
        return torch.where(mask, x, torch.zeros_like(x))

    actions = masked(member_first(rollout.actions))
    flat_advantages = masked(member_first(advantages))
    flat_values = masked(member_first(values))
    return Batch(
        obs=masked(obs),
        actions=actions,
        old_log_probs=masked(policy.log_prob(actions)),
        advantages=flat_advantages,
        returns=flat_advantages + flat_values,  # of the advantages before they are normalised
        old_values=flat_values,
        valid=valid.float(),
    )


def minibatches(batch: Batch, order: Tensor, count: int) -> Iterator[Minibatch]:
    """Cut the rows of a batch, taken in the order [M, T*N], into `count` equal minibatches [M, S, ...].

    Advantages become (A - mean) / (std + 1e-8) over the minibatch's valid rows, std with ddof=1 (Huang et al. 2022,
    detail 7).
    """
    members, total = order.shape
    # Row numbers of all members' rows laid end to end, so that one index_select per field serves the whole epoch.
    first_row = total * torch.arange(members, dtype=torch.int64, device=order.device)
    rows = order + first_row.unsqueeze(-1)
    by_minibatch = rows.view(members, count, -1).transpose(0, 1)  # [B, M, S]
    flat_rows = by_minibatch.reshape(-1)

    columns: dict[str, Tensor] = {}  # [B, M, S, ...]
    for field in fields(batch):
        all_rows = getattr(batch, field.name).flatten(0, 1)
        chosen = all_rows.index_select(0, flat_rows)
        columns[field.name] = chosen.unflatten(0, (count, members, -1))
    valid = columns.pop("valid")
    row_counts = valid.sum(-1)
    columns["rows"] = row_counts
    columns["weight"] = valid / row_counts.clamp(min=1).unsqueeze(-1)
    columns["advantages"] = standardised(columns["advantages"], valid)
    for b in range(count):
        own = {name: column[b] for name, column in columns.items()}
        yield Minibatch(**own)


def masked_mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the last axis of the valid rows; 0 if there is none."""
    count = valid.sum(-1).clamp(min=1)
    return (x * valid).sum(-1) / count


def explained_variance(batch: Batch) -> Tensor:
    """1 - Var(returns - values) / Var(returns) per member [M]; -inf or NaN if all returns are equal."""
    unexplained = _variance(batch.returns - batch.old_values, batch.valid)
    return 1 - unexplained / _variance(batch.returns, batch.valid)


def _variance(x: Tensor, valid: Tensor) -> Tensor:
    """Variance (ddof=0) over the valid rows; not torch.var, which gives other bits for other members."""
    centred = x - masked_mean(x, valid).unsqueeze(-1)
    return masked_mean(centred.square(), valid)


def standardised(x: Tensor, valid: Tensor) -> Tensor:
    """(x - mean) / (std + 1e-8) over the valid rows of the last axis, std with ddof=1; 0 elsewhere.

    Written out because `var` and `std` give other bits for other members.
    """
    centred = (x - masked_mean(x, valid).unsqueeze(-1)) * valid
    degrees = (valid.sum(-1) - 1).clamp(min=1)  # one valid row has no deviation: 0 / 1, not 0 / 0
    variance = centred.square().sum(-1) / degrees
    return centred / (variance.sqrt().unsqueeze(-1) + 1e-8)
