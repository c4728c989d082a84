"""Adam with a learning rate per member, and the gradient clipping that goes before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def clip_per_member(grad: Tensor, max_norm: Tensor, joint: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Scale gradients [2M, P] by min(1, max_norm / (norm + 1e-6)); max_norm [M], infinite = off.

    The norm is taken per network, so that a large critic gradient cannot shrink the actor's step, or over both
    networks of a member if `joint` (Huang et al. 2022, detail 11). Returns the clipped gradient, the norms before
    clipping [2M] (each network's own in either case), and whether a row was scaled [2M].
    """
    norms = grad.square().sum(-1).sqrt()
    norm_to_limit = norms
    if joint:
        actor, critic = norms.chunk(2)
        norm_to_limit = (actor.square() + critic.square()).sqrt().repeat(2)
    limit = max_norm.repeat(2)
    scale = (limit / (norm_to_limit + 1e-6)).clamp(max=1.0)  # never above 1: a small gradient is not blown up
    return grad * scale.unsqueeze(-1), norms, norm_to_limit > limit


class MemberAdam:
    """Adam (Kingma and Ba 2015, algorithm 1) over stacked parameters [M, P] with a rate [M] per member.

        m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2      p -= lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    A param group is {"params": [p], "name": str, "lr": tensor [M]}; the rate is written in place, never replaced.
    `step(active)` leaves members where `active` [M] is False exactly as they are: parameters, moments and step count
    (a gradient of zero would still decay the moments). b^t is a running product, because `pow` gives other bits for
    other members.

    torch.optim.Adam refuses a rate of more than one element. Making any torch.optim.Optimizer imports torch._dynamo,
    which takes as long as all other imports of a training together; so this class only has its attributes,
    `param_groups` and `state`.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-5):
        self.param_groups: list[dict[str, Any]] = [{"betas": betas, "eps": eps, **group} for group in groups]
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        for group in self.param_groups:
            for p in group["params"]:
                # b1^t and b2^t after t = 0 steps
                ones = torch.ones(p.shape[0], 1, dtype=torch.float64, device=p.device)
                self.state[p] = {
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                    "beta1_power": ones,
                    "beta2_power": ones.clone(),
                }

    @torch.no_grad()
    def step(self, active: Tensor | None = None) -> None:
        """One step of the members that are active [M] (all of them if None), from each parameter's `.grad`."""
        for group in self.param_groups:
            for p in group["params"]:
                active_members = active
                if active_members is None:
                    active_members = torch.ones(len(p), dtype=torch.bool, device=p.device)
                _adam_step(p, p.grad, self.state[p], group, active_members.unsqueeze(-1))


def _adam_step(p: Tensor, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any], active: Tensor) -> None:
    """One step of p [M, P] in place, as `MemberAdam` writes it down; active [M, 1]."""
    b1, b2 = group["betas"]
    new = {
        "exp_avg": state["exp_avg"].lerp(grad, 1 - b1),
        "exp_avg_sq": (state["exp_avg_sq"] * b2).addcmul(grad, grad, value=1 - b2),
        "beta1_power": state["beta1_power"] * b1,
        "beta2_power": state["beta2_power"] * b2,
    }
    # Both bias corrections in float64: 1 - b2^t is 0.001 after one step.
    correction = (1 - new["beta1_power"]).float()
    root_correction = (1 - new["beta2_power"]).sqrt().float()
    step_size = group["lr"].unsqueeze(-1) / correction
    denominator = new["exp_avg_sq"].sqrt() / root_correction + group["eps"]  # eps outside the root, as in the paper
    updated = p - step_size * (new["exp_avg"] / denominator)
    # Select, do not multiply by 0: what an inactive member computes may be NaN.
    torch.where(active, updated, p, out=p)
    for name, value in new.items():
        torch.where(active, value, state[name], out=state[name])


def set_learning_rates(optimizer: MemberAdam, rates: dict[str, Tensor]) -> None:
    """Write each group's rates [M] into its tensor; `rates` names exactly the optimizer's groups."""
    names = [group["name"] for group in optimizer.param_groups]
    if sorted(names) != sorted(rates):
        raise ValueError(f"the optimizer's groups are {names}, the rates are for {list(rates)}")
    for group in optimizer.param_groups:
        group["lr"].copy_(rates[group["name"]])
