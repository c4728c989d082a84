"""The gradient of `losses.ppo_loss`, written out.

Autograd gives the same numbers (a test compares them for every option) and takes twice as long on networks this
small, where most of the time goes into its bookkeeping.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rl_decay.ppo.distributions import distribution
from rl_decay.ppo.losses import Coefficients, clipped_surrogate, masked_mean, normalised, value_loss
from rl_decay.ppo.networks import Layers, NetShape
from rl_decay.types import Batch, LossTerms


@torch.no_grad()
def ppo_gradient(
    flat: Tensor, batch: Batch, shape: NetShape, coef: Coefficients, value_clip: float | None
) -> tuple[Tensor, LossTerms]:
    """Gradient [2M, P] of the sum of the members' losses with respect to flat [2M, P], and the loss terms [M]."""
    members, weight = batch.obs.shape[0], batch.weight
    layers, log_std = shape.unpack(flat)
    inputs, out = _forward(shape, layers, torch.cat((batch.obs, batch.obs)))
    policy = distribution(out[:members, :, : shape.spaces.num_actions], log_std[:members], shape.spaces.continuous)
    values = out[members:, :, 0]

    log_ratio = policy.log_prob(batch.actions) - batch.old_log_probs
    ratio, clip = log_ratio.exp(), coef.clip.unsqueeze(-1)
    advantages = normalised(batch.advantages, weight)
    surrogate = clipped_surrogate(ratio, advantages, clip)
    terms = LossTerms(
        policy_loss=masked_mean(surrogate, weight),
        value_loss=masked_mean(value_loss(values, batch.returns, batch.old_values, value_clip), weight),
        entropy=masked_mean(policy.entropy(), weight),
        approx_kl=masked_mean((ratio - 1) - log_ratio, weight),
        clip_fraction=masked_mean(((ratio - 1).abs() > clip).to(ratio.dtype), weight),
    )

    share = weight / weight.sum(-1, keepdim=True).clamp(min=1)  # d mean / d row
    unclipped = -ratio * advantages
    d_log_prob = unclipped * (surrogate <= unclipped) * share  # where the clipped branch is larger it is constant
    d_entropy = -coef.entropy_coef.unsqueeze(-1) * share
    d_actor, d_log_std = policy.backward(batch.actions, d_log_prob, d_entropy)
    d_values = coef.value_coef.unsqueeze(-1) * share * _value_slope(values, batch, value_clip)

    d_out = torch.zeros_like(out)
    d_out[:members, :, : shape.spaces.num_actions] = d_actor
    d_out[members:, :, 0] = d_values
    gradient = torch.zeros_like(flat)
    gradient_layers, gradient_log_std = shape.unpack(gradient)
    _backward(shape, layers, inputs, d_out, gradient_layers)
    if d_log_std is not None:
        gradient_log_std[:members] = d_log_std
    return gradient, terms


def _forward(shape: NetShape, layers: Layers, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The input [G, S, in] of every layer, and the output [G, S, head]."""
    inputs = [x]
    for weight, bias in layers[:-1]:
        inputs.append(shape.activate(torch.baddbmm(bias, inputs[-1], weight)))
    return inputs, torch.baddbmm(layers[-1][1], inputs[-1], layers[-1][0])


def _backward(shape: NetShape, layers: Layers, inputs: list[Tensor], d_out: Tensor, gradient: Layers) -> None:
    """Fill the gradient of every weight and bias from d_out [G, S, head]."""
    for k in reversed(range(len(layers))):
        d_weight, d_bias = gradient[k]
        d_weight.copy_(torch.bmm(inputs[k].transpose(1, 2), d_out))
        d_bias.copy_(d_out.sum(1, keepdim=True))
        if k > 0:
            d_out = shape.activate_backward(torch.bmm(d_out, layers[k][0].transpose(1, 2)), inputs[k])


def _value_slope(values: Tensor, batch: Batch, value_clip: float | None) -> Tensor:
    """d value_loss / d values per row [M, S]."""
    error = values - batch.returns
    if value_clip is None:
        return error
    moved = values - batch.old_values
    clipped = batch.old_values + moved.clamp(-value_clip, value_clip) - batch.returns
    inside = moved.abs() <= value_clip
    return torch.where(error.square() >= clipped.square(), error, clipped * inside)
