"""The scalars of a minibatch step, and their means over an epoch.

Inside, they are rows of one tensor in the order of TAGS; everybody else gets them by tag.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rl_decay.types import GROUPS

TAGS = (
    *("losses/policy_loss", "losses/value_loss", "losses/entropy", "losses/approx_kl", "losses/clipfrac"),
    *(f"update/{group}/grad_norm" for group in GROUPS),
    *(f"update/{group}/clipped_share" for group in GROUPS),
)


def step_scalars(terms: Tensor, norms: Tensor, clipped: Tensor) -> Tensor:
    """The scalars [len(TAGS), M] of a step: loss terms [5, M] in the order of LossTerms, norms and clipped [2M]."""
    by_group = (len(GROUPS), -1)  # [2M] holds the actors before the critics, as TAGS does
    return torch.cat((terms, norms.view(by_group), clipped.view(by_group)))


class EpochMeans:
    """Means over the valid rows of each member's last epoch in which it made a step; NaN before the first.

    One tensor for all scalars instead of one each: at M = 1 the calls cost more than the arithmetic.
    """

    def __init__(self, members: int, device: torch.device):
        shape = (len(TAGS), members)
        self._means = torch.full(shape, torch.nan, dtype=torch.float32, device=device)

    def new_epoch(self) -> None:
        """Start the sums anew."""
        self._sums = torch.zeros_like(self._means)
        self._rows = torch.zeros_like(self._means[0])

    def add(self, scalars: Tensor, rows: Tensor) -> None:
        """Take a step's scalars [len(TAGS), M] over rows [M]; with 0 rows a member made no step."""
        # A member that made no step has 0 rows, but its scalars may be infinite, and infinity * 0 is NaN.
        self._sums += torch.where(rows > 0, scalars * rows, 0.0)
        self._rows += rows

    def end_epoch(self) -> dict[str, Tensor]:
        """The means [M] of this epoch by tag, NaN for members that made no step in it."""
        means = self._sums / self._rows  # 0 / 0 is NaN: a member without a step in this epoch
        self._means = torch.where(self._rows > 0, means, self._means)
        return dict(zip(TAGS, means))

    def last(self) -> dict[str, Tensor]:
        """The means [M] by tag, of each member's last epoch with a step."""
        return dict(zip(TAGS, self._means))
