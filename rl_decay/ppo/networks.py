"""Member-stacked networks: the actors and critics of M members as 2M MLPs in one flat buffer.

Row m of the buffer [2M, P] is the actor of member m, row M + m its critic, so that a layer of the update is one batched
matmul over all networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl_decay.ppo.distributions import Distribution
from rl_decay.ppo.net_shape import NetShape
from rl_decay.types import GROUPS

PASS_BYTES = 8 << 20  # of the layers in a pass without a gradient; a member's bits do not depend on it


class ActorCritic:
    """The networks of M members: one buffer of parameters, seen by param group, by layer and as a policy.

    The buffer [2M, P] holds the actors before the critics. It is only ever written in place, so every view of it (by
    group, by layer, in the optimizer) stays valid.
    """

    def __init__(self, shape: NetShape, seeds: Sequence[int], log_std: float, device: torch.device):
        self.shape = shape
        self.members = len(seeds)
        self.parameters = initial_parameters(shape, seeds, log_std).to(device)
        actor_parameters = self.by_group(self.parameters)["actor"]
        self._actor, self.log_std = shape.unpack(actor_parameters)

    def by_group(self, rows: Tensor) -> dict[str, Tensor]:
        """Split a tensor with one row per network [2M, ...], such as the buffer, into {group: view [M, ...]}."""
        return dict(zip(GROUPS, rows.chunk(2)))

    def param_groups(self) -> list[dict[str, Any]]:
        """A param group per network with a rate [M] of 0; each parameter is a view of its half of the buffer."""
        groups = []
        for name, parameters in self.by_group(self.parameters).items():
            rates = parameters.new_zeros(self.members)
            # The parameter shares the buffer's memory: an optimizer step is seen by every view of it.
            groups.append({"params": [torch.nn.Parameter(parameters)], "name": name, "lr": rates})
        return groups

    def rows(self, by_group: Mapping[str, Tensor]) -> Tensor:
        """Join values [M, ...] of each group into rows [2M, ...], in the order of the buffer; undoes `by_group`."""
        return torch.cat([by_group[group] for group in GROUPS])

    def policy(self, obs: Tensor) -> Distribution:
        """The action distributions [M, S] for normalised observations [M, S, D]."""
        parameters = self.by_group(self.parameters)["actor"]
        outputs = []
        for group in self._groups(obs):
            layers, _ = self.shape.unpack(parameters[group])
            outputs.append(self.shape.actor(layers, obs[group]))
        return self.shape.distribution(torch.cat(outputs), self.log_std)

    def _groups(self, obs: Tensor) -> Iterator[slice]:
        """Some members after others, so that the layers of a whole rollout need not lie in memory for all of them."""
        bytes_per_member = 2 * 4 * obs.shape[1] * sum(self.shape.widths)  # two networks, float32
        together = max(1, PASS_BYTES // bytes_per_member)
        for first in range(0, self.members, together):
            yield slice(first, min(first + together, self.members))

    def policy_outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] on normalised observations, and log_std [M, A]; unchanged by later updates."""
        return self.shape.actor(self._actor, obs), self.log_std.clone()  # log_std is a view of the parameters

    def outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] and values [M, S] on normalised observations [M, S, D]: one pass, both networks."""
        outputs = []
        for group in self._groups(obs):
            networks = torch.cat([half[group] for half in self.by_group(self.parameters).values()])
            actor_out, _, values = self.shape.actor_critic(networks, obs[group])
            outputs.append((actor_out, values))
        actor_outs, all_values = zip(*outputs)
        return torch.cat(actor_outs), torch.cat(all_values)

    def finite(self) -> Tensor:
        """Whether all parameters of a member are finite [M]."""
        finite = self.by_group(self.parameters.isfinite().all(-1))
        return finite["actor"] & finite["critic"]


def initial_parameters(shape: NetShape, seeds: Sequence[int], log_std: float) -> Tensor:
    """Orthogonal initial parameters [2M, P], each member from its own seed.

    Gains sqrt(2) in hidden layers, 0.01 for the policy's head, 1 for the value's; biases 0 (Huang et al. 2022,
    detail 2). The caller keeps PyTorch to one thread: with more the orthogonal factor has other bits.
    """
    members = len(seeds)
    flat = torch.zeros(2 * members, sum(shape.sizes), dtype=torch.float32, device="cpu")
    layers, log_stds = shape.unpack(flat)
    log_stds[:members] = log_std
    inputs = (shape.spaces.obs_size, *shape.hidden)
    for m, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)  # one stream per member: its actor draws first, then its critic
        actor_weights = [weight[m] for weight, _ in layers]
        critic_weights = [weight[members + m] for weight, _ in layers]
        _initialise(actor_weights, (*inputs, shape.spaces.num_actions), 0.01, rng)
        _initialise(critic_weights, (*inputs, 1), 1.0, rng)
    return flat


def _initialise(weights: Sequence[Tensor], widths: Sequence[int], head_gain: float, rng: np.random.Generator) -> None:
    """Fill the weights [in, out] of one network in place; widths without padding, which stays 0."""
    gains = [math.sqrt(2)] * (len(weights) - 1) + [head_gain]
    for weight, gain, (inputs, outputs) in zip(weights, gains, pairwise(widths), strict=True):
        weight[:inputs, :outputs] = gain * orthogonal(rng, inputs, outputs)


def orthogonal(rng: np.random.Generator, rows: int, cols: int) -> Tensor:
    """A random matrix [rows, cols] with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    longer = max(rows, cols)
    shorter = min(rows, cols)
    q, r = np.linalg.qr(rng.standard_normal((longer, shorter)))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
    return torch.from_numpy(q if rows >= cols else q.T).float()
