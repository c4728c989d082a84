"""The data that travels between the rooms, with its shapes.

Legend: `M` members, `T` steps per rollout, `N` environments per member, `S` samples in a minibatch, `D` observation
size (padded, see `aligned`), `A` action size or number of actions (options of all components together), `C` components
of an action (only of MultiDiscrete and MultiBinary ones), `E` epochs, `B` minibatches. While collecting, time
comes first, member second, environment third; once flattened the member comes first. Slot m*N + n is environment n of
member m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GROUPS = ("actor", "critic")  # param groups, in the order of their halves of the parameter buffer; each has a schedule


def aligned(width: int) -> int:
    """Round a width up to a multiple of 4 floats.

    A batched matmul takes another kernel, with other bits, for a member whose matrix does not start at a multiple of 16
    bytes; so every width is padded with zeros. Padding stays 0: its weights start at 0 and get gradient 0.
    """
    return -(-width // 4) * 4  # -(-a // b) rounds up


@dataclass(frozen=True)
class Spaces:
    """The sizes of a task for its networks: numbers in a flat observation, and kind and size of an action.

    nvec: the options of each of the C components of a MultiDiscrete or MultiBinary action, num_actions in all; () for
    every other action.
    """

    obs_size: int
    num_actions: int
    continuous: bool
    nvec: tuple[int, ...] = ()

    @property
    def one_byte(self) -> bool:
        """Whether each number of an action fits into a byte: it counts at most 256 options."""
        return not self.continuous and max(self.nvec, default=self.num_actions) <= 256


@dataclass(frozen=True)
class Member:
    """The settings of one member: the values of the keys that the schema marks `per_member`, `init_from` aside.

    A new such key needs a field here, a line in `member` (training/population.py) and a column in `PPO.__init__`.
    Otherwise every member would silently train with the first member's value.
    """

    seed: int
    lr: dict[str, float]  # actor, critic
    curves: dict[str, Callable[[float], float]]  # actor, critic, clip, entropy
    inclusive: bool
    gamma: float
    gae_lambda: float
    clip: float
    entropy_coef: float
    value_coef: float
    max_grad_norm: float
    target_kl: float


@dataclass
class Draws:
    """All randomness of one iteration, drawn before it begins."""

    noise: Tensor  # [T, M, N, A] Gumbel (discrete) or normal (continuous)
    permutations: Tensor  # [E, M, T*N] int64

    def to(self, device: torch.device) -> Draws:
        """The same draws on a device."""
        return Draws(self.noise.to(device), self.permutations.to(device))


@dataclass
class Rollout:
    """T steps of every slot; `obs[t+1]` is the observation reached by step t.

    So `obs[t+1]` after an episode's last step t is the last observation of that episode, from which a truncated episode
    bootstraps. Row t+1 is then a filler: its action was ignored, its step was the reset, `valid` is False.
    """

    obs: Tensor  # [T+1, M, N, D]
    actions: Tensor  # [T, M, N] or [T, M, N, C] int64, or [T, M, N, A]
    rewards: Tensor  # [T, M, N]
    terminated: Tensor  # [T, M, N] bool: cuts the bootstrap
    done: Tensor  # [T, M, N] bool, terminated or truncated: cuts the trace
    valid: Tensor  # [T, M, N] bool


@dataclass
class Batch:
    """A flattened rollout, row t*N + n; filler rows are zero in every field."""

    obs: Tensor  # [M, T*N, D] normalised
    actions: Tensor  # [M, T*N] or [M, T*N, C] int64, or [M, T*N, A]
    old_log_probs: Tensor  # [M, T*N]
    advantages: Tensor  # [M, T*N]
    returns: Tensor  # [M, T*N]
    old_values: Tensor  # [M, T*N]
    valid: Tensor  # [M, T*N] 1 for a valid row, 0 for a filler


@dataclass
class Minibatch:
    """S rows of a batch per member, in the order of an epoch's permutation."""

    obs: Tensor  # [M, S, D]
    actions: Tensor  # [M, S] or [M, S, C] int64, or [M, S, A]
    old_log_probs: Tensor  # [M, S]
    advantages: Tensor  # [M, S] normalised within the minibatch
    returns: Tensor  # [M, S]
    old_values: Tensor  # [M, S]
    weight: Tensor  # [M, S] 1 / rows for a valid row, 0 for a filler: (x * weight).sum(-1) is the mean over valid rows
    rows: Tensor  # [M] number of valid rows


@dataclass(frozen=True)
class Episode:
    """A finished training episode of one member."""

    member: int
    total_reward: float
    length: int
