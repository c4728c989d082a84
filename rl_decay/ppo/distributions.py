"""Action distributions over stacked outputs. Sampling takes its noise as an argument: acting is deterministic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)  # of a normal density
NORMAL_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)  # of the standard normal distribution, in nats


@dataclass
class Categorical:
    """Discrete actions 0..A-1 from logits [..., A]."""

    logits: Tensor
    _cached_log_p: Tensor | None = None

    @property
    def _log_p(self) -> Tensor:
        """Log probabilities of all actions [..., A]."""
        if self._cached_log_p is None:  # not functools.cached_property: torch.compile refuses its lock
            self._cached_log_p = torch.log_softmax(self.logits, -1)
        return self._cached_log_p

    def sample(self, noise: Tensor) -> Tensor:
        """Actions [...] int64: argmax(logits + Gumbel noise) has the softmax distribution (Gumbel-max trick)."""
        return (self.logits + noise).argmax(-1)

    def mode(self) -> Tensor:
        """The most probable action [...]."""
        return self.logits.argmax(-1)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Log p(actions) [...]."""
        return self._log_p.gather(-1, actions.unsqueeze(-1)).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum p log p, in nats [...]."""
        return -(self._log_p.exp() * self._log_p).sum(-1)

    def backward(self, actions: Tensor, d_log_prob: Tensor, d_entropy: Tensor) -> tuple[Tensor, None]:
        """Gradient by the logits [..., A] of a loss with slopes d_log_prob and d_entropy [...].

        d log p(a) / d logit_j = [a = j] - p_j          d entropy / d logit_j = -p_j (log p_j + entropy)
        """
        slope = d_log_prob.unsqueeze(-1)
        above_average = self._log_p + self.entropy().unsqueeze(-1)  # log p minus its mean, which is -entropy
        surprise = d_entropy.unsqueeze(-1) * above_average
        gradient = -self._log_p.exp() * (slope + surprise)
        gradient.scatter_add_(-1, actions.unsqueeze(-1), slope)  # the term [a = j], of the chosen action alone
        return gradient, None


@dataclass
class DiagGaussian:
    """Independent normal actions with means [M, ..., A] and a log standard deviation [M, A] per member."""

    mean: Tensor
    log_std: Tensor

    def _broadcast_log_std(self) -> Tensor:
        """The log standard deviations [M, 1, ..., A], which broadcast against the means."""
        members = self.log_std.shape[0]
        middle = [1] * (self.mean.dim() - 2)
        return self.log_std.view(members, *middle, -1)

    def sample(self, noise: Tensor) -> Tensor:
        """Mean + std * noise, not clipped to any bounds [M, ..., A]."""
        return self.mean + self._broadcast_log_std().exp() * noise

    def mode(self) -> Tensor:
        """The mean [M, ..., A]."""
        return self.mean

    def log_prob(self, actions: Tensor) -> Tensor:
        """Sum over the action's components of log N(action; mean, std) [M, ...]."""
        log_std = self._broadcast_log_std()
        z = (actions - self.mean) * (-log_std).exp()
        per_component = -0.5 * z * z - log_std - HALF_LOG_2PI
        return per_component.sum(-1)

    def entropy(self) -> Tensor:
        """Sum of log_std + log(2 pi e) / 2, in nats, the same for every state [M, ...]."""
        per_component = self._broadcast_log_std() + NORMAL_ENTROPY
        return per_component.expand_as(self.mean).sum(-1)

    def backward(self, actions: Tensor, d_log_prob: Tensor, d_entropy: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient by mean [M, S, A] and log_std [M, A] of a loss with slopes d_log_prob and d_entropy [M, S].

        With z = (a - mean) / std: d log p / d mean = z / std, d log p / d log_std = z^2 - 1, d entropy / d log_std = 1.
        """
        inverse_std = (-self._broadcast_log_std()).exp()
        z = (actions - self.mean) * inverse_std
        slope = d_log_prob.unsqueeze(-1)
        d_mean = slope * z * inverse_std
        d_log_std = slope * (z * z - 1) + d_entropy.unsqueeze(-1)
        # Rows last: A is not padded to a multiple of 4, so a sum over a middle axis would not keep a member's bits.
        return d_mean, d_log_std.transpose(1, 2).contiguous().sum(-1)


def distribution(actor_out: Tensor, log_std: Tensor, continuous: bool) -> Categorical | DiagGaussian:
    """The distribution that a policy's outputs [M, ..., A] stand for."""
    return DiagGaussian(actor_out, log_std) if continuous else Categorical(actor_out)
