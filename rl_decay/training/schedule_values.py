"""What the schedules of a population's members say for one iteration."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rl_decay.config.plan import Clock
from rl_decay.types import Member


def schedule_values(members: Sequence[Member], iteration: int, clock: Clock, device: torch.device) -> dict[str, Tensor]:
    """The values [M] of one iteration by role: rates of `actor` and `critic`, `clip` range, `entropy` coefficient.

        value = base * curve(progress)

    The progress of a member is 0 in the first iteration of the clock and, if its schedule is inclusive, 1 in the last.
    """
    values: dict[str, list[float]] = {"actor": [], "critic": [], "clip": [], "entropy": []}
    for member in members:
        progress = clock.progress(iteration, member.inclusive)
        base = {
            "actor": member.lr["actor"],
            "critic": member.lr["critic"],
            "clip": member.clip,
            "entropy": member.entropy_coef,
        }
        for role, column in values.items():
            column.append(base[role] * member.curves[role](progress))
    tensors = {}
    for role, column in values.items():
        tensors[role] = torch.tensor(column, dtype=torch.float32, device=device)
    return tensors
