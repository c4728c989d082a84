"""How far and in which direction updates moved parameters and policy; metrics/paths.py is the NumPy reference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rl_decay.ppo.batches import masked_mean
from rl_decay.ppo.distributions import Categorical, DiagGaussian

BLOCK = 50  # updates over which straightness and the share of negative cosines are taken
PROBES = 256  # observations of the first rollout on which churn is measured


def probe_rows(rows: int) -> slice:
    """Which rows of a rollout are the probes: up to `PROBES`, evenly spaced."""
    step = max(1, rows // PROBES)
    return slice(0, step * PROBES, step)


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis."""
    return x.square().sum(-1).sqrt()


def relative_step(before: Tensor, after: Tensor) -> Tensor:
    """|after - before| / |before| over the last axis: the effective step size. inf where |before| is 0."""
    return norm(after - before) / norm(before)


def cosine(step: Tensor, previous: Tensor) -> Tensor:
    """Cosine of two updates over the last axis: -1 bouncing, 0 diffusion, 1 drift. NaN where either is 0."""
    return (step * previous).sum(-1) / (norm(step) * norm(previous))


def kl_from(old_log_probs: Tensor, log_probs: Tensor, valid: Tensor) -> Tensor:
    """KL(old, new) per member [M] from the log-probs [M, S] of the old policy's actions, over valid rows [M, S].

    mean of (r - 1) - log r,    r = new / old probability        (k3 of Schulman 2020, "Approximating KL divergence")
    """
    log_ratio = log_probs - old_log_probs
    return masked_mean(log_ratio.expm1() - log_ratio, valid)


def churn(old: Categorical | DiagGaussian, new: Categorical | DiagGaussian) -> Tensor:
    """How much of a policy changed on given observations, per member [M].

    Discrete: the share of [M, S] whose most probable action is another one. Continuous: the mean of |new mean - old
    mean| / old standard deviation over [M, S, A]. Schaul et al. 2022 (arXiv:2206.00730).
    """
    if isinstance(old, DiagGaussian):
        assert isinstance(new, DiagGaussian)
        moved = (new.mean - old.mean).abs() / old.log_std.exp().unsqueeze(1)
        return moved.flatten(1).mean(-1)
    return (new.mode() != old.mode()).float().mean(-1)


class UpdatePath:
    """The path of stacked parameters [G, P] over blocks of `BLOCK` updates, kept as sums instead of positions."""

    _STATE = ("previous", "total", "length", "negative", "defined", "updates")

    def __init__(self, parameters: Tensor):
        rows = parameters.shape[0]
        self.previous = torch.zeros_like(parameters)  # the last update
        self.total = torch.zeros_like(parameters)  # sum of the block's updates, each divided by its rate
        self.length = parameters.new_zeros(rows)  # sum of their norms
        self.negative, self.defined = parameters.new_zeros(rows), parameters.new_zeros(rows)  # cosines
        self.updates = parameters.new_zeros(rows)  # of the block

    def add(self, before: Tensor, after: Tensor, rates: Tensor) -> dict[str, Tensor]:
        """Take one update, with the rates [G] it used; returns per row [G]:

        rel_step       |D| / |before|
        cos_prev       cosine of this update and the one before; NaN for the first, and where either is 0
        straightness   |sum D/lr| / sum |D/lr| over a block: 1 straight, 1/sqrt(n) diffusion; a rate of 0 adds nothing
        frac_neg_cos   share of the block's defined cosines that are below 0

        The last two are NaN but at the end of a block.
        """
        step = after - before
        cos = cosine(step, self.previous)
        scaled = torch.where(rates > 0, 1 / rates, 0.0).unsqueeze(-1) * step
        self.previous, self.total = step, self.total + scaled
        self.length = self.length + norm(scaled)
        self.negative, self.defined = self.negative + (cos < 0), self.defined + ~cos.isnan()
        self.updates = self.updates + 1
        full = self.updates >= BLOCK
        report = {
            "rel_step": relative_step(before, after),
            "cos_prev": cos,
            "straightness": torch.where(full, norm(self.total) / self.length, torch.nan),
            "frac_neg_cos": torch.where(full, self.negative / self.defined, torch.nan),
        }
        for name in self._STATE[1:]:
            value = getattr(self, name)
            setattr(self, name, torch.where(full.view(-1, *[1] * (value.dim() - 1)), 0.0, value))
        return report

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors whose first axis is the row."""
        return {name: getattr(self, name) for name in self._STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over tensors of the same shapes."""
        for name in self._STATE:
            setattr(self, name, state[name].to(self.previous))
