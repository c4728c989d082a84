"""Running mean and variance per member, and the reward scaling built on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl_decay.ppo.advantages import array_on_cpu

CLIP = 10.0  # bound of normalised observations and of scaled rewards


class Moments:
    """Mean and variance [M, D] of everything merged so far; mean 0, variance 1 before that.

    Kept in float64: after millions of rows the increments vanish in float32.
    """

    def __init__(self, members: int, size: int, device: torch.device | str = "cpu"):
        self.count = torch.zeros(members, 1, dtype=torch.float64, device=device)
        self.mean = torch.zeros(members, size, dtype=torch.float64, device=device)
        self.var = torch.ones(members, size, dtype=torch.float64, device=device)
        self._refresh()

    def merge(self, rows: Tensor, weight: Tensor) -> None:
        """Merge rows [M, S, D] of weight 1 (weight [M, S]) by Chan, Golub and LeVeque's pairwise update (1979)."""
        x = rows.double().transpose(1, 2).contiguous()  # [M, D, S]: trailing sums keep a member's bits
        w = weight.double().unsqueeze(1)
        new_count = w.sum(-1)  # [M, 1]; weights are 0 or 1, fillers 0
        new_mean = (x * w).sum(-1) / new_count.clamp(min=1)
        deviations = x - new_mean.unsqueeze(-1)
        new_squares = (deviations.square() * w).sum(-1)

        total = self.count + new_count
        share = new_count / total.clamp(min=1)
        delta = new_mean - self.mean
        old_squares = self.var * self.count  # 0 before the first merge, when var is 1 but count 0
        between_squares = delta.square() * self.count * share
        var = (old_squares + new_squares + between_squares) / total.clamp(min=1)

        self.mean = self.mean + delta * share
        self.var = torch.where(total > 0, var, self.var)  # a variance of 1 until the first valid row
        self.count = total
        self._refresh()

    def _refresh(self) -> None:
        """Mean and scale in float32, ready for every step until the next merge."""
        self._shift = self.mean.float().unsqueeze(1)
        self._scale = (self.var + 1e-8).rsqrt().float().unsqueeze(1)

    def normalise(self, x: Tensor) -> Tensor:
        """(x - mean) / sqrt(var + 1e-8), clipped at +-10; x [M, S, D]."""
        return ((x - self._shift) * self._scale).clamp(-CLIP, CLIP)

    def normalise_array(self, x: np.ndarray, out: np.ndarray) -> None:
        """`normalise` on the CPU, to the same bits, into `out` [M, S, D]."""
        np.subtract(x, self._shift.numpy(), out=out)
        out *= self._scale.numpy()
        np.clip(out, -CLIP, CLIP, out=out)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors with the member axis first."""
        return {"count": self.count, "mean": self.mean, "var": self.var}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over tensors of the same shapes."""
        self.count = state["count"].to(self.count)
        self.mean = state["mean"].to(self.mean)
        self.var = state["var"].to(self.var)
        self._refresh()


class RewardScaler:
    """Rewards over the standard deviation of the running discounted return, per member (no mean is subtracted).

        R_t = gamma R_{t-1} [not done_{t-1}] + r_t        scaled r_t = clip(r_t / sqrt(var(R) + 1e-8), +-10)

    Engstrom et al. 2020, detail 3. Filler rows are skipped. The running return restarts after termination AND after
    truncation, and at a segment's start, where environments are reset.
    """

    def __init__(self, members: int, num_envs: int, gamma: Tensor):
        self.moments = Moments(members, 1, gamma.device)
        self.running = torch.zeros(members, num_envs, dtype=torch.float32, device=gamma.device)
        self.gamma = gamma.unsqueeze(-1)

    def reset(self) -> None:
        """Forget the running returns: every environment starts anew."""
        self.running = torch.zeros_like(self.running)

    def scale(self, rewards: Tensor, done: Tensor, valid: Tensor) -> Tensor:
        """Merge the running returns of a rollout [T, M, N] and return its scaled rewards [T, M, N]."""
        returns = torch.empty_like(rewards)
        reward, counts, goes_on, noted = (array_on_cpu(x) for x in (rewards, valid, ~done, returns))
        gamma = array_on_cpu(self.gamma)
        running = array_on_cpu(self.running)
        where: Any = np.where if isinstance(running, np.ndarray) else torch.where
        for t in range(len(rewards)):
            # A filler row is no step of the task: it must not discount the return.
            running = where(counts[t], gamma * running + reward[t], running)
            noted[t] = running
            # After the return was noted: the last reward belongs to the episode that ends.
            running = running * goes_on[t]
        self.running = torch.as_tensor(running, dtype=torch.float32, device=rewards.device)
        rows = returns.transpose(0, 1).flatten(1).unsqueeze(-1)  # [M, T*N, 1]
        self.moments.merge(rows, valid.transpose(0, 1).flatten(1))
        scale = (self.moments.var + 1e-8).rsqrt().float()  # [M, 1]; the rollout's own returns are part of it
        return (rewards * scale).clamp(-CLIP, CLIP)

    def state_dict(self) -> dict[str, Any]:
        """Moments and running returns [M, N]."""
        return {**self.moments.state_dict(), "running": self.running}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of the same shapes."""
        self.moments.load_state_dict(state)
        self.running = state["running"].to(self.running)
