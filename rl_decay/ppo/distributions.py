"""Action distributions over stacked outputs. Sampling takes its noise as an argument: acting is deterministic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)  # of a normal density
NORMAL_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)  # of the standard normal distribution, in nats

Block = tuple[int, int]  # (components, options) of neighbouring components with equally many options


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
        entropy_term = d_entropy.unsqueeze(-1) * above_average
        gradient = -self._log_p.exp() * (slope + entropy_term)
        gradient.scatter_add_(-1, actions.unsqueeze(-1), slope)  # the term [a = j], of the chosen action alone
        return gradient, None


class MultiCategorical:
    """C independent components with logits [..., A], the options of one component after those of another.

    blocks: (components, options) of each run of neighbouring components with equally many options. A block is one
    Categorical with logits [..., components, options], so that the number of kernels does not grow with C.
    """

    def __init__(self, logits: Tensor, blocks: Sequence[Block]):
        self._components = [components for components, _ in blocks]
        self._widths = [components * options for components, options in blocks]
        self._parts: list[Categorical] = []
        for piece, block in zip(logits.split(self._widths, -1), blocks):
            # Contiguous before any reduction: over strided storage a member's sums would have other bits.
            self._parts.append(Categorical(piece.unflatten(-1, block).contiguous()))

    def sample(self, noise: Tensor) -> Tensor:
        """Actions [..., C] int64 by the Gumbel-max trick in each component; Gumbel noise [..., A]."""
        samples = []
        for part, piece in zip(self._parts, noise.split(self._widths, -1)):
            samples.append(part.sample(piece.reshape(part.logits.shape)))
        return _joined(samples)

    def mode(self) -> Tensor:
        """The most probable option of each component [..., C]."""
        return _joined([part.mode() for part in self._parts])

    def log_prob(self, actions: Tensor) -> Tensor:
        """Sum over the components of log p(actions) [...]; actions [..., C]."""
        chosen = actions.split(self._components, -1)
        return _joined([part.log_prob(own) for part, own in zip(self._parts, chosen)]).sum(-1)

    def entropy(self) -> Tensor:
        """Sum of the components' entropies, in nats [...]."""
        return _joined([part.entropy() for part in self._parts]).sum(-1)

    def backward(self, actions: Tensor, d_log_prob: Tensor, d_entropy: Tensor) -> tuple[Tensor, None]:
        """Gradient by the logits [..., A] of a loss with slopes d_log_prob and d_entropy [...].

        Log-probability and entropy are sums, so that every component gets the whole slope.
        """
        gradients = []
        for part, own in zip(self._parts, actions.split(self._components, -1)):
            slope = d_log_prob.unsqueeze(-1).expand_as(own)  # scatter_add_ does not broadcast
            gradient, _ = part.backward(own, slope, d_entropy.unsqueeze(-1))
            gradients.append(gradient.flatten(-2))
        return _joined(gradients), None


@dataclass
class DiagGaussian:
    """Independent normal actions with means [M, ..., A] and a log standard deviation [M, A] per member.

    With net.squash=tanh these are the actions before tanh, which the environment's codec takes. The log-probability of
    the squashed action differs by log(1 - tanh(a)^2), the same under every policy, so that ratio and KL are equal.
    """

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
        """Sum of log_std + log(2 pi e) / 2, in nats, the same for every state [M, ...].

        The entropy of tanh(a) is smaller by the mean of -log(1 - tanh(a)^2), which has no closed form; it is left out.
        """
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


Distribution: TypeAlias = Categorical | MultiCategorical | DiagGaussian


def distribution(
    actor_out: Tensor, log_std: Tensor, continuous: bool, action_blocks: Sequence[Block] = ()
) -> Distribution:
    """The distribution that a policy's outputs [M, ..., A] stand for; `action_blocks` as `blocks` makes them."""
    if continuous:
        return DiagGaussian(actor_out, log_std)
    return MultiCategorical(actor_out, action_blocks) if action_blocks else Categorical(actor_out)


def blocks(nvec: Sequence[int]) -> tuple[Block, ...]:
    """Runs of equal numbers in the options of an action's components, as (length, number).

    >>> blocks([3, 2, 2, 2])
    ((1, 3), (3, 2))
    """
    return tuple((len(list(run)), options) for options, run in groupby(nvec))


def _joined(pieces: list[Tensor]) -> Tensor:
    """Pieces side by side along the last axis, contiguous."""
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, -1)
