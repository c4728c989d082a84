"""The PPO loss as a pure function: parameters and a minibatch in, one scalar and its terms out.

All means run over a member's valid rows; `weight` [M, S] is 1 there and 0 on fillers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rl_decay.ppo.distributions import distribution
from rl_decay.ppo.networks import NetShape
from rl_decay.types import Batch, LossTerms


@dataclass
class Coefficients:
    """Per-member coefficients of the loss, [M] each."""

    clip: Tensor
    entropy_coef: Tensor
    value_coef: Tensor


def masked_mean(x: Tensor, weight: Tensor) -> Tensor:
    """Mean over the last axis of the rows of weight 1; 0 if there is none."""
    return (x * weight).sum(-1) / weight.sum(-1).clamp(min=1)


def masked_std(x: Tensor, weight: Tensor) -> Tensor:
    """Standard deviation (ddof=1) over the last axis of the rows of weight 1; 0 if there are fewer than two.

    Written out because `var` and `std` give other bits for other members.
    """
    centred = (x - masked_mean(x, weight).unsqueeze(-1)) * weight
    return ((centred * centred).sum(-1) / (weight.sum(-1) - 1).clamp(min=1)).sqrt()


def normalised(advantages: Tensor, weight: Tensor) -> Tensor:
    """(A - mean) / (std + 1e-8) within the minibatch (Huang et al. 2022, detail 7)."""
    mean, std = masked_mean(advantages, weight), masked_std(advantages, weight)
    return (advantages - mean.unsqueeze(-1)) / (std.unsqueeze(-1) + 1e-8)


def clipped_surrogate(ratio: Tensor, advantages: Tensor, clip: Tensor) -> Tensor:
    """-min(r A, clamp(r, 1 - clip, 1 + clip) A) per row (Schulman et al. 2017, equation 7); clip [M, 1]."""
    return -torch.minimum(ratio * advantages, torch.clamp(ratio, 1 - clip, 1 + clip) * advantages)


def value_loss(values: Tensor, returns: Tensor, old_values: Tensor, value_clip: float | None) -> Tensor:
    """Half the squared error per row; with value_clip the larger of the error and that of the clipped value."""
    error = (values - returns).square()
    if value_clip is not None:
        clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
        error = torch.maximum(error, (clipped - returns).square())
    return 0.5 * error


def ppo_loss(
    flat: Tensor, batch: Batch, shape: NetShape, coef: Coefficients, value_clip: float | None
) -> tuple[Tensor, LossTerms]:
    """policy_loss - entropy_coef * entropy + value_coef * value_loss, summed over members.

    flat [2M, P]; members share no parameter, so the gradient of the sum is each member's own gradient. approx_kl is
    mean((r - 1) - log r), Schulman's k3; clip_fraction is the share of rows with |r - 1| > clip.
    """
    actor_out, log_std, values = shape.actor_critic(flat, batch.obs)
    policy = distribution(actor_out, log_std, shape.spaces.continuous)
    log_ratio = policy.log_prob(batch.actions) - batch.old_log_probs
    ratio, clip, weight = log_ratio.exp(), coef.clip.unsqueeze(-1), batch.weight

    surrogate = clipped_surrogate(ratio, normalised(batch.advantages, weight), clip)
    terms = LossTerms(
        policy_loss=masked_mean(surrogate, weight),
        value_loss=masked_mean(value_loss(values, batch.returns, batch.old_values, value_clip), weight),
        entropy=masked_mean(policy.entropy(), weight),
        approx_kl=masked_mean((ratio - 1) - log_ratio, weight).detach(),
        clip_fraction=masked_mean(((ratio - 1).abs() > clip).to(ratio.dtype), weight).detach(),
    )
    per_member = terms.policy_loss - coef.entropy_coef * terms.entropy + coef.value_coef * terms.value_loss
    return per_member.sum(), terms
