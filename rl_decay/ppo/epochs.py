"""The epochs of an update in PyTorch, for any device; `ppo/cpu/epochs.py` does the same on the CPU in less time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rl_decay.config.schema import Algo
from rl_decay.ppo.batches import minibatches
from rl_decay.ppo.gradient import gradient_function
from rl_decay.ppo.losses import Coefficients
from rl_decay.ppo.networks import ActorCritic
from rl_decay.ppo.optim import MemberAdam, clip_per_member
from rl_decay.ppo.step_scalars import EpochMeans, step_scalars
from rl_decay.types import Batch, Minibatch


@dataclass
class Limits:
    """What ends or bounds a member's steps, [M] each; infinite where it is switched off."""

    max_grad_norm: Tensor
    target_kl: Tensor


class Epochs(Protocol):
    """All minibatch steps of an update."""

    def __call__(
        self, batch: Batch, permutations: Tensor, coefficients: Coefficients, active: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Step the members that are `active` [M]; permutations [E, M, T*N].

        Returns, by tag, the means [M] over the valid rows of each member's last epoch in which it made a step, and
        whether its losses and gradients were finite [M]: a member whose numbers are not makes no further step.
        """
        ...


class TensorEpochs:
    """`Epochs` by PyTorch operations over all members."""

    def __init__(self, networks: ActorCritic, optimizer: MemberAdam, limits: Limits, algo: Algo, compile: str):
        self.networks = networks
        self.optimizer = optimizer
        self.limits = limits
        self.algo = algo
        self._gradient = gradient_function(networks.shape, networks.parameters, algo.value_clip, compile)

    def __call__(
        self, batch: Batch, permutations: Tensor, coefficients: Coefficients, active: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """As `Epochs`."""
        finite = torch.ones_like(active)
        means = EpochMeans(len(active), active.device)
        for order in permutations:
            means.new_epoch()
            for minibatch in minibatches(batch, order, self.algo.minibatches):
                stepped, scalars, undiverged = self._step(minibatch, coefficients, active)
                finite = finite & undiverged
                active = active & undiverged
                means.add(scalars, minibatch.rows * stepped)
            # Early stopping per member. Not `kl <= target`: a member without a step has NaN here and goes on.
            kl = means.end_epoch()["losses/approx_kl"]
            active = active & ~(kl > self.limits.target_kl)
        return means.last(), finite

    @torch.no_grad()
    def _step(self, minibatch: Minibatch, coefficients: Coefficients, active: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One optimizer step of the active members; returns who stepped [M], its `step_scalars`, and who has not
        diverged in it [M].
        """
        gradient, terms = self._gradient(minibatch, coefficients)
        joint = self.algo.grad_clip == "joint"
        gradient, norms, clipped = clip_per_member(gradient, self.limits.max_grad_norm, joint)
        scalars = step_scalars(terms, norms, clipped)
        # Advantages are divided by their standard deviation, which needs two valid rows.
        stepped = active & (minibatch.rows >= 2)
        # The norms are among the scalars, so this sees a gradient that is not finite as well as such a loss. A member
        # that would not have stepped cannot diverge here: its scalars are thrown away.
        finite = scalars.isfinite().all(0)
        undiverged = finite | ~stepped
        stepped &= finite
        gradients = self.networks.by_group(gradient)
        for group in self.optimizer.param_groups:
            group["params"][0].grad = gradients[group["name"]]
        self.optimizer.step(stepped)
        return stepped, scalars, undiverged
