"""The gradient of `losses.ppo_loss`: written out, or compiled. The only torch.compile in the repository.

Autograd gives the same numbers (a test compares them for every option) and takes twice as long on networks this
small, where most of the time goes into its bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rl_decay.ppo.losses import Coefficients, loss_terms, masked_log_ratio, ppo_loss, term_means
from rl_decay.ppo.net_shape import Layers, NetShape
from rl_decay.types import Minibatch

Gradient = Callable[[Minibatch, Coefficients], tuple[Tensor, Tensor]]


def gradient_function(shape: NetShape, parameters: Tensor, value_clip: float | None, compile: str) -> Gradient:
    """A function (minibatch, coefficients) -> (gradient [2M, P] by the parameters, means of the loss terms [5, M]).

    compile: "none", or "inductor" for torch.compile of the loss and its automatic gradient. The bits of the two
    differ, so `compile` is part of the experiment. Compiling takes seconds, once per shape.
    """
    if compile == "none":
        return PPOGradient(shape, parameters, value_clip)

    def loss(flat: Tensor, minibatch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        return ppo_loss(flat, minibatch, shape, coef, value_clip)

    differentiated = torch.func.grad_and_value(loss, has_aux=True)

    def by_autograd(flat: Tensor, minibatch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        gradient, (_, terms) = differentiated(flat, minibatch, coef)
        return gradient, terms

    compiled = torch.compile(by_autograd, fullgraph=True, dynamic=False)
    return lambda minibatch, coef: compiled(parameters, minibatch, coef)


class PPOGradient:
    """The gradient by the parameters [2M, P], in a buffer of its own that every call overwrites."""

    def __init__(self, shape: NetShape, parameters: Tensor, value_clip: float | None):
        self.shape = shape
        self.value_clip = value_clip
        self.gradient = torch.zeros_like(parameters)
        members = parameters.shape[0] // 2
        # Views, unpacked once. They stay valid because both buffers are only ever written in place.
        self._layers, log_stds = shape.unpack(parameters)
        self._d_layers, d_log_stds = shape.unpack(self.gradient)
        self._log_std = log_stds[:members]  # the actors'; the critics' rows are unused and keep gradient 0
        self._d_log_std = d_log_stds[:members]

    @torch.no_grad()
    def __call__(self, minibatch: Minibatch, coef: Coefficients) -> tuple[Tensor, Tensor]:
        """Gradient [2M, P] of the sum of the members' losses, and the means of its terms [5, M]."""
        shape = self.shape
        obs = torch.cat((minibatch.obs, minibatch.obs))  # the actors' inputs, then the critics'
        inputs, out = _forward(shape, self._layers, obs)
        actor_out, values = shape.heads(out)
        policy = shape.distribution(actor_out, self._log_std)
        log_ratio = masked_log_ratio(policy.log_prob(minibatch.actions), minibatch)
        clip = coef.clip.unsqueeze(-1)
        terms = loss_terms(log_ratio, policy.entropy(), values, minibatch, clip=clip, value_clip=self.value_clip)

        # The policy loss is the larger of the unclipped and the clipped branch. Where the clipped one is larger it is
        # constant, so its slope is 0. <= and not <: inside the clip range both are equal, and there is a slope.
        unclipped = -log_ratio.exp() * minibatch.advantages
        d_log_prob = unclipped * (terms.policy_loss <= unclipped) * minibatch.weight
        d_entropy = -coef.entropy_coef.unsqueeze(-1) * minibatch.weight
        d_actor_out, d_log_std = policy.backward(minibatch.actions, d_log_prob, d_entropy)
        value_weight = coef.value_coef.unsqueeze(-1) * minibatch.weight
        d_values = value_weight * value_slope(values, minibatch, self.value_clip)

        d_out = torch.zeros_like(out)  # a padded output has no slope, so its weights stay 0
        actor_part, values_part = shape.heads(d_out)
        actor_part.copy_(d_actor_out)
        values_part.copy_(d_values)
        _backward(shape, self._layers, inputs, d_out, self._d_layers)
        if d_log_std is not None:  # a continuous policy
            self._d_log_std.copy_(d_log_std)
        return self.gradient, term_means(terms, minibatch.weight)


def _forward(shape: NetShape, layers: Layers, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """The input [G, S, in] of every layer, and the output [G, S, head]."""
    inputs = [x]
    for weight, bias in layers[:-1]:
        before_activation = torch.baddbmm(bias, inputs[-1], weight)
        inputs.append(shape.activate(before_activation))
    head_weight, head_bias = layers[-1]
    return inputs, torch.baddbmm(head_bias, inputs[-1], head_weight)


def _backward(shape: NetShape, layers: Layers, inputs: list[Tensor], d_out: Tensor, gradient: Layers) -> None:
    """Fill the gradient of every weight and bias from d_out [G, S, head]."""
    for k in reversed(range(len(layers))):
        weight, _ = layers[k]
        d_weight, d_bias = gradient[k]
        d_weight.copy_(torch.bmm(inputs[k].transpose(1, 2), d_out))
        d_bias.copy_(d_out.sum(1, keepdim=True))
        if k > 0:  # nobody needs the slope by the observations
            d_input = torch.bmm(d_out, weight.transpose(1, 2))
            # Overwrites inputs[k], whose last use was the weight's gradient above.
            d_out = shape.activate_backward(d_input, inputs[k])


def value_slope(values: Tensor, minibatch: Minibatch, value_clip: float | None) -> Tensor:
    """Slope of the value loss by the values, per row [M, S]; value_clip as in `losses.value_loss`."""
    error = values - minibatch.returns
    if value_clip is None:
        return error
    moved = values - minibatch.old_values
    clipped_error = minibatch.old_values + moved.clamp(-value_clip, value_clip) - minibatch.returns
    inside = moved.abs() <= value_clip  # outside, the clipped value is a constant: no slope
    unclipped_counts = error.square() >= clipped_error.square()
    return torch.where(unclipped_counts, error, clipped_error * inside)
