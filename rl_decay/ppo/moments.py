"""Running mean and variance per member, and the reward scaling built on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

CLIP = 10.0


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
        n = w.sum(-1)
        mean = (x * w).sum(-1) / n.clamp(min=1)
        m2 = ((x - mean.unsqueeze(-1)).square() * w).sum(-1)
        total = self.count + n
        delta, share = mean - self.mean, n / total.clamp(min=1)
        m2_before = self.var * self.count  # 0 before the first merge, whatever var says
        merged = (m2_before + m2 + delta.square() * self.count * share) / total.clamp(min=1)
        self.mean = self.mean + delta * share
        self.var = torch.where(total > 0, merged, self.var)
        self.count = total
        self._refresh()

    def _refresh(self) -> None:
        """Mean and scale in float32, ready for every step until the next merge."""
        self._shift, self._scale = self.mean.float().unsqueeze(1), (self.var + 1e-8).rsqrt().float().unsqueeze(1)

    def normalise(self, x: Tensor) -> Tensor:
        """(x - mean) / sqrt(var + 1e-8), clipped at +-10; x [M, S, D]."""
        return ((x - self._shift) * self._scale).clamp(-CLIP, CLIP)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors with the member axis first."""
        return {"count": self.count, "mean": self.mean, "var": self.var}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over tensors of the same shapes."""
        self.count, self.mean, self.var = (state[k].to(self.mean) for k in ("count", "mean", "var"))
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
        running, trace = self.running, torch.empty_like(rewards)
        for t in range(len(rewards)):
            running = torch.where(valid[t], self.gamma * running + rewards[t], running)
            trace[t] = running
            running = running * ~done[t]
        self.running = running
        rows = trace.transpose(0, 1).flatten(1).unsqueeze(-1)
        self.moments.merge(rows, valid.transpose(0, 1).flatten(1))
        scale = (self.moments.var + 1e-8).rsqrt().float()
        return (rewards * scale).clamp(-CLIP, CLIP)

    def state_dict(self) -> dict[str, Any]:
        """Moments and running returns [M, N]."""
        return {**self.moments.state_dict(), "running": self.running}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of the same shapes."""
        self.moments.load_state_dict(state)
        self.running = state["running"].to(self.running)
