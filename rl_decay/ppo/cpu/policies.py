"""Log-probabilities, entropies and their slopes for stacked rows: the twins of `ppo/distributions.py`.

Arrays are [A, M, S], one plane per action or component: every operation is one pass over whole planes, and a sum over A
adds planes, which gives a member the same bits whatever its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from rl_decay.ppo.distributions import HALF_LOG_2PI, NORMAL_ENTROPY
from rl_decay.types import Spaces


class Policy(Protocol):
    """The action distributions of M members on S rows each."""

    log_prob: np.ndarray  # [M, S] of the actions taken
    entropy: np.ndarray  # [M, S]

    def forward(self, outputs: np.ndarray, log_std: np.ndarray, actions: np.ndarray) -> None:
        """Fill `log_prob` and `entropy`; outputs [M, S, A], log_std [M, A], actions [M, S(, C or A)]."""
        ...

    def backward(
        self, d_log_prob: np.ndarray, d_entropy: np.ndarray, d_outputs: np.ndarray, d_log_std: np.ndarray
    ) -> None:
        """Fill the slopes by outputs and log_std, right after `forward`, from those by log_prob and entropy [M, S]."""
        ...


def policy_of(spaces: Spaces, members: int, rows: int) -> Policy:
    """The kind of policy that acts in these spaces."""
    if spaces.continuous:
        return Gaussian(spaces.num_actions, members, rows)
    return Categorical(spaces.nvec or [spaces.num_actions], members, rows)


class Categorical:
    """Discrete actions, of one component or of several independent ones with `nvec` options each."""

    def __init__(self, nvec: Sequence[int], members: int, rows: int):
        self._logits = np.empty((sum(nvec), members, rows), np.float32)
        self._probabilities = np.empty_like(self._logits)
        self._scratch = np.empty_like(self._logits)
        ends = np.cumsum(nvec).tolist()
        self._components = [slice(end - options, end) for end, options in zip(ends, nvec)]
        self._entropies = np.empty((len(nvec), members, rows), np.float32)
        self.log_prob = np.empty((members, rows), np.float32)
        self.entropy = np.empty_like(self.log_prob)
        self._row = np.empty_like(self.log_prob)
        self._places = np.arange(members * rows)
        self._chosen: list[np.ndarray] = []

    def forward(self, outputs: np.ndarray, log_std: np.ndarray, actions: np.ndarray) -> None:
        """As `Policy.forward`: the softmax of each component's logits."""
        np.copyto(self._logits, outputs.transpose(2, 0, 1))
        by_component = actions.reshape(*self.log_prob.shape, len(self._components))
        self._chosen.clear()
        for c, options in enumerate(self._components):
            log_p = self._logits[options]
            probabilities = self._probabilities[options]
            np.maximum.reduce(log_p, axis=0, out=self._row)
            log_p -= self._row  # the largest is 0: no exponential overflows
            np.exp(log_p, out=probabilities)
            np.add.reduce(probabilities, axis=0, out=self._row)
            np.divide(probabilities, self._row, out=probabilities)
            np.log(self._row, out=self._row)
            log_p -= self._row
            scratch = self._scratch[options]
            np.multiply(probabilities, log_p, out=scratch)
            np.add.reduce(scratch, axis=0, out=self._entropies[c])
            chosen = by_component[..., c].ravel() * self._places.size + self._places
            self._chosen.append(chosen)
            log_prob = log_p.ravel().take(chosen).reshape(self.log_prob.shape)
            if c == 0:
                self.log_prob[:] = log_prob
            else:
                self.log_prob += log_prob
        np.negative(self._entropies, out=self._entropies)
        np.add.reduce(self._entropies, axis=0, out=self.entropy)

    def backward(
        self, d_log_prob: np.ndarray, d_entropy: np.ndarray, d_outputs: np.ndarray, d_log_std: np.ndarray
    ) -> None:
        """As `Policy.backward`; there is no standard deviation.

        d log p(a) / d logit_j = [a = j] - p_j          d entropy / d logit_j = -p_j (log p_j + entropy)
        """
        slopes = self._scratch
        for c, options in enumerate(self._components):
            own = slopes[options]
            np.add(self._logits[options], self._entropies[c], out=own)
            own *= d_entropy
            own += d_log_prob
            own *= self._probabilities[options]
            np.negative(own, out=own)
            own.reshape(-1)[self._chosen[c]] += d_log_prob.ravel()
        np.copyto(d_outputs, slopes.transpose(1, 2, 0))


class Gaussian:
    """Independent normal actions with a log standard deviation per member and component."""

    def __init__(self, size: int, members: int, rows: int):
        self._deviations = np.empty((size, members, rows), np.float32)  # z = (a - mean) / std
        self._scratch = np.empty_like(self._deviations)
        self._inverse_std = np.empty((size, members, 1), np.float32)
        self.log_prob = np.empty((members, rows), np.float32)
        self.entropy = np.empty_like(self.log_prob)

    def forward(self, outputs: np.ndarray, log_std: np.ndarray, actions: np.ndarray) -> None:
        """As `Policy.forward`; log_std [M, A]."""
        log_stds = np.ascontiguousarray(log_std.T)[..., None]  # [A, M, 1]
        np.exp(-log_stds, out=self._inverse_std)
        z = self._deviations
        np.subtract(actions.transpose(2, 0, 1), outputs.transpose(2, 0, 1), out=z)
        z *= self._inverse_std
        scratch = self._scratch
        np.multiply(z, z, out=scratch)
        scratch *= -0.5
        scratch -= log_stds + np.float32(HALF_LOG_2PI)
        np.add.reduce(scratch, axis=0, out=self.log_prob)
        # Not over the planes, of which each has one number of a member: alone, a member would get another order.
        self.entropy[:] = np.add.reduce(log_std + np.float32(NORMAL_ENTROPY), axis=-1)[:, None]

    def backward(
        self, d_log_prob: np.ndarray, d_entropy: np.ndarray, d_outputs: np.ndarray, d_log_std: np.ndarray
    ) -> None:
        """As `Policy.backward`; d_log_std [M, A].

        d log p / d mean = z / std          d log p / d log_std = z^2 - 1          d entropy / d log_std = 1
        """
        z = self._deviations
        scratch = self._scratch
        np.multiply(z, z, out=scratch)
        scratch -= 1
        scratch *= d_log_prob
        scratch += d_entropy
        d_log_std[:] = np.add.reduce(scratch, axis=-1).T
        np.multiply(z, self._inverse_std, out=scratch)
        scratch *= d_log_prob
        np.copyto(d_outputs, scratch.transpose(1, 2, 0))
