"""How the gradient of the loss is computed: written out, or compiled. The only torch.compile in the repository."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor

from rl_decay.ppo.gradient import ppo_gradient
from rl_decay.ppo.losses import Coefficients, ppo_loss
from rl_decay.ppo.networks import NetShape
from rl_decay.types import Batch, LossTerms

Gradient = Callable[[Tensor, Batch, Coefficients], tuple[Tensor, LossTerms]]


def gradient_function(shape: NetShape, value_clip: float | None, compile: str) -> Gradient:
    """A function (parameters [2M, P], minibatch, coefficients) -> (gradient [2M, P], LossTerms).

    The bits of the two differ, so `compile` is part of the experiment. Compiling takes seconds, once per shape.
    """

    if compile == "none":
        return lambda flat, batch, coef: ppo_gradient(flat, batch, shape, coef, value_clip)

    def loss(flat: Tensor, batch: Batch, coef: Coefficients) -> tuple[Tensor, LossTerms]:
        return ppo_loss(flat, batch, shape, coef, value_clip)

    def by_autograd(flat: Tensor, batch: Batch, coef: Coefficients) -> tuple[Tensor, LossTerms]:
        gradient, (_, terms) = torch.func.grad_and_value(loss, has_aux=True)(flat, batch, coef)
        return gradient, terms

    return torch.compile(by_autograd, fullgraph=True, dynamic=False)
