"""The PPO loss as a pure function: parameters and a minibatch in, one scalar and its terms out.

All means run over a member's valid rows: `weight` [M, S] is 1 / rows there and 0 on fillers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rl_decay.ppo.net_shape import NetShape
from rl_decay.types import Minibatch


@dataclass
class LossTerms:
    """The three parts of the loss, then two diagnostics that it does not contain; per row [M, S]."""

    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


@dataclass
class Coefficients:
    """Per-member coefficients of the loss, [M] each."""

    clip: Tensor
    entropy_coef: Tensor
    value_coef: Tensor


def clipped_surrogate(ratio: Tensor, advantages: Tensor, clip: Tensor) -> Tensor:
    """-min(r A, clamp(r, 1 - clip, 1 + clip) A) per row (Schulman et al. 2017, equation 7); clip [M, 1]."""
    # The unclipped branch first: a compiled run shows even the order of these operations in its bits.
    unclipped = ratio * advantages
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip) * advantages
    return -torch.minimum(unclipped, clipped)


def value_loss(values: Tensor, returns: Tensor, old_values: Tensor, value_clip: float | None) -> Tensor:
    """Half the squared error per row; with value_clip the larger of the error and that of the clipped value."""
    error = (values - returns).square()
    if value_clip is not None:
        clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)
        error = torch.maximum(error, (clipped - returns).square())
    return 0.5 * error


def masked_log_ratio(log_probs: Tensor, minibatch: Minibatch) -> Tensor:
    """Log pi(a) - log pi_old(a) [M, S], 0 on fillers: there it could be large, and infinity * weight 0 is NaN."""
    return torch.where(minibatch.weight > 0, log_probs - minibatch.old_log_probs, 0.0)


def loss_terms(
    log_ratio: Tensor, entropy: Tensor, values: Tensor, minibatch: Minibatch, *, clip: Tensor, value_clip: float | None
) -> LossTerms:
    """The terms of the loss per row; clip [M, 1].

    approx_kl is (r - 1) - log r, Schulman's k3; clip_fraction is 1 where |r - 1| > clip.
    """
    ratio = log_ratio.exp()
    return LossTerms(
        policy_loss=clipped_surrogate(ratio, minibatch.advantages, clip),
        value_loss=value_loss(values, minibatch.returns, minibatch.old_values, value_clip),
        entropy=entropy,
        approx_kl=(ratio - 1) - log_ratio,
        clip_fraction=((ratio - 1).abs() > clip).to(ratio.dtype),
    )


def term_means(terms: LossTerms, weight: Tensor) -> Tensor:
    """Means over the valid rows, stacked in the order of LossTerms [5, M]."""
    stacked = torch.stack([getattr(terms, f.name) for f in fields(terms)])
    return (stacked * weight).sum(-1)


def ppo_loss(
    parameters: Tensor, minibatch: Minibatch, shape: NetShape, coef: Coefficients, value_clip: float | None
) -> tuple[Tensor, Tensor]:
    """policy_loss - entropy_coef * entropy + value_coef * value_loss, summed over members; and the terms [5, M].

    parameters [2M, P]; members share no parameter, so the gradient of the sum is each member's own gradient.
    """
    actor_out, log_std, values = shape.actor_critic(parameters, minibatch.obs)
    policy = shape.distribution(actor_out, log_std)
    log_ratio = masked_log_ratio(policy.log_prob(minibatch.actions), minibatch)
    clip = coef.clip.unsqueeze(-1)
    terms = loss_terms(log_ratio, policy.entropy(), values, minibatch, clip=clip, value_clip=value_clip)
    scalars = term_means(terms, minibatch.weight)
    # scalars [5, M] are in the order of LossTerms
    per_member = scalars[0] + coef.value_coef * scalars[1] - coef.entropy_coef * scalars[2]
    return per_member.sum(), scalars.detach()
