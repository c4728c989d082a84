"""How the gradient of the loss is computed: written out, or compiled. The only torch.compile in the repository."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from rl_decay.ppo.gradient import PPOGradient
from rl_decay.ppo.losses import Coefficients, ppo_loss
from rl_decay.ppo.networks import NetShape
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
