"""The gradient of `losses.ppo_loss`: written out, or compiled. The only torch.compile in the repository.

Autograd gives the same numbers (a test compares them for every option) and takes twice as long on networks this
small, where most of the time goes into its bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rl_decay.ppo.distributions import distribution
from rl_decay.ppo.losses import Coefficients, loss_terms, masked_log_ratio, ppo_loss, term_means
from rl_decay.ppo.networks import Layers, NetShape
from rl_decay.types import Minibatch

Gradient = Callable[[Minibatch, Coefficients], tuple[Tensor, Tensor]]


def gradient_function(shape: NetShape, flat: Tensor, value_clip: float | None, compile: str) -> Gradient:
    """A function (minibatch, coefficients) -> (gradient [2M, P] with respect to flat, means of the loss terms [5, M]).

    compile: "none", or "inductor" for torch.compile of the loss and its automatic gradient. The bits of the two
    differ, so `compile` is part of the experiment. Compiling takes seconds, once per shape.
    """
    if compile == "none":
        return PPOGradient(shape, flat, value_clip)

    def loss(flat: Tensor, batch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        return ppo_loss(flat, batch, shape, coef, value_clip)

    def by_autograd(flat: Tensor, batch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        gradient, (_, terms) = torch.func.grad_and_value(loss, has_aux=True)(flat, batch, coef)
        return gradient, terms

    compiled = torch.compile(by_autograd, fullgraph=True, dynamic=False)
    return lambda batch, coef: compiled(flat, batch, coef)


class PPOGradient:
    """The gradient with respect to the buffer `flat` [2M, P], in a buffer of its own that every call overwrites."""

    def __init__(self, shape: NetShape, flat: Tensor, value_clip: float | None):
        self.shape, self.value_clip = shape, value_clip
        self.gradient = torch.zeros_like(flat)
        # views, unpacked once: both buffers are only ever written in place
        self._layers, self._log_std = shape.unpack(flat)
        self._d_layers, self._d_log_std = shape.unpack(self.gradient)

    @torch.no_grad()
    def __call__(self, batch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        """Gradient [2M, P] of the sum of the members' losses, and the means of its terms [5, M]."""
        members, actions = batch.obs.shape[0], self.shape.spaces.num_actions
        inputs, out = _forward(self.shape, self._layers, torch.cat((batch.obs, batch.obs)))
        policy = distribution(out[:members, :, :actions], self._log_std[:members], self.shape.spaces.continuous)
        values = out[members:, :, 0]
        log_ratio = masked_log_ratio(policy.log_prob(batch.actions), batch)
        terms = loss_terms(log_ratio, policy.entropy(), values, batch, coef.clip.unsqueeze(-1), self.value_clip)

        unclipped = -log_ratio.exp() * batch.advantages
        # where the clipped branch is the larger one it is constant
        d_log_prob = unclipped * (terms.policy_loss <= unclipped) * batch.weight
        d_entropy = -coef.entropy_coef.unsqueeze(-1) * batch.weight
        d_out = torch.zeros_like(out)
        d_out[:members, :, :actions], d_log_std = policy.backward(batch.actions, d_log_prob, d_entropy)
        slope = value_slope(values, batch, self.value_clip)
        d_out[members:, :, 0] = coef.value_coef.unsqueeze(-1) * batch.weight * slope
        _backward(self.shape, self._layers, inputs, d_out, self._d_layers)
        if d_log_std is not None:
            self._d_log_std[:members] = d_log_std
        return self.gradient, term_means(terms, batch.weight)


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


def value_slope(values: Tensor, batch: Minibatch, value_clip: float | None) -> Tensor:
    """Slope of the value loss by the values, per row [M, S]."""
    error = values - batch.returns
    if value_clip is None:
        return error
    moved = values - batch.old_values
    clipped = batch.old_values + moved.clamp(-value_clip, value_clip) - batch.returns
    inside = moved.abs() <= value_clip
    return torch.where(error.square() >= clipped.square(), error, clipped * inside)
