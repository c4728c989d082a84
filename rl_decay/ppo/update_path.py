"""Length and direction of updates as a path through the parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 50  # updates over which straightness and the share of negative cosines are taken


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis."""
    return x.square().sum(-1).sqrt()


def cosine(step: Tensor, previous: Tensor) -> Tensor:
    """Cosine of two updates over the last axis: -1 bouncing, 0 diffusion, 1 drift. NaN where either is 0."""
    return (step * previous).sum(-1) / (norm(step) * norm(previous))


class UpdatePath:
    """The path of stacked parameters [G, P] over blocks of `BLOCK` updates, kept as sums instead of positions."""

    _BLOCK_SUMS = ("total", "length", "negative", "defined", "updates")  # 0 again when a block is full
    _STATE = ("previous", *_BLOCK_SUMS)

    def __init__(self, parameters: Tensor):
        rows = parameters.shape[0]
        self.previous = torch.zeros_like(parameters)  # the last update
        self.total = torch.zeros_like(parameters)  # sum of the block's updates, each divided by its rate
        self.length = parameters.new_zeros(rows)  # sum of the norms of the same
        self.negative = parameters.new_zeros(rows)  # number of the block's cosines below 0
        self.defined = parameters.new_zeros(rows)  # number of the block's cosines that are not NaN
        self.updates = parameters.new_zeros(rows)  # number of the block's updates

    def add(self, before: Tensor, after: Tensor, rates: Tensor) -> dict[str, Tensor]:
        """Take one update, with the rates [G] it used; `before` is overwritten. Returns per row [G]:

        rel_step       |D| / |before|: the effective step size; inf where |before| is 0, NaN where both are
        cos_prev       cosine of this update and the one before; NaN for the first, and where either is 0
        straightness   |sum D/lr| / sum |D/lr| over a block: 1 straight, 1/sqrt(n) diffusion; a rate of 0 adds nothing
        frac_neg_cos   share of the block's defined cosines that are below 0

        straightness and frac_neg_cos are NaN except after the last update of a block.
        """
        size_before = norm(before)
        # In the memory of `before`, which nobody needs any more: with a population the buffers are what takes memory.
        step = torch.sub(after, before, out=before)
        size = norm(step)
        cos = cosine(step, self.previous)
        # Divided by the rate, or the large steps of a decaying rate would outweigh the later ones of the block.
        scaled = torch.where(rates > 0, 1 / rates, 0.0).unsqueeze(-1) * step
        self.previous = step
        self.total += scaled
        self.length = self.length + norm(scaled)
        self.negative = self.negative + (cos < 0)
        self.defined = self.defined + ~cos.isnan()
        self.updates = self.updates + 1
        full = self.updates >= BLOCK
        straightness = norm(self.total) / self.length
        negative_share = self.negative / self.defined
        report = {
            "rel_step": size / size_before,
            "cos_prev": cos,
            "straightness": torch.where(full, straightness, torch.nan),
            "frac_neg_cos": torch.where(full, negative_share, torch.nan),
        }
        for name in self._BLOCK_SUMS:
            value = getattr(self, name)
            full_rows = full.view(-1, 1) if value.dim() == 2 else full
            setattr(self, name, torch.where(full_rows, 0.0, value))
        return report

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors whose first axis is the row."""
        return {name: getattr(self, name) for name in self._STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over tensors of the same shapes."""
        for name in self._STATE:
            setattr(self, name, state[name].to(self.previous))
