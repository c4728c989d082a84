"""Member-stacked networks: the actors and critics of M members as 2M MLPs in one flat buffer.

Row m of the buffer [2M, P] is the actor of member m, row M + m its critic, so that a layer of the update is one batched
matmul over all networks. One member computes the same bits whatever its neighbours: matmul takes another kernel for a
lone network with one output column, and for slabs that are not 16-byte aligned; padding rules out both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from rl_decay.ppo.distributions import Categorical, DiagGaussian, distribution
from rl_decay.types import GROUPS, Spaces, aligned

Layers = list[tuple[Tensor, Tensor]]  # per layer: weight [G, in, out], bias [G, 1, out]


@dataclass(frozen=True)
class NetShape:
    """Widths of an MLP and where its parameters lie in a row of the buffer.

    A row holds, layer by layer, the weight [in, out] and the bias [out], then the log standard deviation [A] of a
    continuous policy (unused in the critic's row). All widths are padded to multiples of 4; padding is and stays 0.
    """

    spaces: Spaces
    hidden: tuple[int, ...]
    activation: str = "tanh"

    @cached_property
    def widths(self) -> list[int]:
        """Padded widths from observation to head; actor and critic share the head's width."""
        return [aligned(n) for n in (self.spaces.obs_size, *self.hidden, self.spaces.num_actions)]

    @cached_property
    def sizes(self) -> list[int]:
        """Lengths of the pieces of a row: weight, bias, weight, bias, ..., log_std."""
        pairs = zip(self.widths[:-1], self.widths[1:])
        return [n for i, o in pairs for n in (i * o, o)] + [aligned(self.spaces.num_actions)]

    def unpack(self, flat: Tensor) -> tuple[Layers, Tensor]:
        """Views of flat [G, P]: the layers of G networks, and log_std [G, A]."""
        *pieces, log_std = flat.split(self.sizes, dim=1)  # one split: its backward is one concatenation
        layers = [
            (weight.unflatten(1, (i, o)), bias.unsqueeze(1))
            for weight, bias, i, o in zip(pieces[::2], pieces[1::2], self.widths, self.widths[1:])
        ]
        return layers, log_std[:, : self.spaces.num_actions]

    def mlp(self, layers: Layers, x: Tensor) -> Tensor:
        """Outputs [G, S, head] of G networks on inputs [G, S, D]."""
        *hidden, (head_weight, head_bias) = layers
        for weight, bias in hidden:
            x = self.activate(torch.baddbmm(bias, x, weight))
        return torch.baddbmm(head_bias, x, head_weight)

    def activate(self, x: Tensor) -> Tensor:
        """Activations of x, which may be overwritten: fresh temporaries of a population cost more than the arithmetic.

        tanh is NumPy's on the CPU, because torch.tanh takes ten times as long there.
        """
        if x.requires_grad or torch.compiler.is_compiling():
            return torch.relu(x) if self.activation == "relu" else torch.tanh(x)
        if self.activation == "relu":
            return x.relu_()
        if x.device.type != "cpu":
            return x.tanh_()
        np.tanh(x.numpy(), out=x.numpy())
        return x

    def activate_backward(self, d_out: Tensor, out: Tensor) -> Tensor:
        """Gradient by the input of `activate`, from that by its output and the output; both are overwritten."""
        if self.activation == "relu":
            return d_out.mul_(out > 0)
        return d_out.addcmul_(d_out, out.square_(), value=-1)  # d_out * (1 - out^2)

    def actor(self, layers: Layers, obs: Tensor) -> Tensor:
        """Logits or means [M, S, A] of the actors alone, for acting."""
        return self.mlp(layers, obs)[..., : self.spaces.num_actions]

    def actor_critic(self, flat: Tensor, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits or means [M, S, A], log_std [M, A] and values [M, S] from parameters [2M, P] and obs [M, S, D]."""
        layers, log_std = self.unpack(flat)
        out = self.mlp(layers, torch.cat((obs, obs)))
        members = obs.shape[0]
        return out[:members, :, : self.spaces.num_actions], log_std[:members], out[members:, :, 0]


class ActorCritic:
    """The networks of M members: one buffer of parameters, seen by param group, by layer and as a policy.

    Nobody else needs to know that the buffer [2M, P] holds the actors before the critics. It is only ever written in
    place, so every view of it stays valid.
    """

    def __init__(self, shape: NetShape, seeds: Sequence[int], log_std: float, device: torch.device):
        self.shape = shape
        self.members = len(seeds)
        self.parameters = initial_parameters(shape, seeds, log_std).to(device)
        self._actor, self.log_std = shape.unpack(self.by_group(self.parameters)["actor"])

    def by_group(self, rows: Tensor) -> dict[str, Tensor]:
        """Rows [2M, ...] of the buffer, or of anything that has one per network, as {group: view [M, ...]}."""
        return dict(zip(GROUPS, rows.chunk(2)))

    def rows(self, by_group: Mapping[str, Tensor]) -> Tensor:
        """Values [M, ...] of each group as rows [2M, ...] of the buffer: what `by_group` took apart."""
        return torch.cat([by_group[group] for group in GROUPS])

    def policy(self, obs: Tensor) -> Categorical | DiagGaussian:
        """The policies [M, S] on observations [M, S, D] that are normalised already."""
        return distribution(self.shape.actor(self._actor, obs), self.log_std, self.shape.spaces.continuous)

    def policy_outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] on observations, and log_std [M, A]; copies that later updates leave alone."""
        return self.shape.actor(self._actor, obs), self.log_std.clone()

    def outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] and values [M, S] on observations [M, S, D], in one pass over both networks."""
        actor_out, _, values = self.shape.actor_critic(self.parameters, obs)
        return actor_out, values

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
    heads = (shape.spaces.num_actions, 1)
    for m, seed in enumerate(seeds):
        rng = np.random.default_rng(seed)
        for row, head in zip((m, members + m), heads):
            widths = (shape.spaces.obs_size, *shape.hidden, head)
            for k, (weight, _) in enumerate(layers):
                gain = math.sqrt(2) if k < len(layers) - 1 else (0.01 if row == m else 1.0)
                weight[row, : widths[k], : widths[k + 1]] = gain * orthogonal(rng, widths[k], widths[k + 1])
    return flat


def orthogonal(rng: np.random.Generator, rows: int, cols: int) -> Tensor:
    """A random matrix [rows, cols] with orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    q, r = np.linalg.qr(rng.standard_normal((max(rows, cols), min(rows, cols))))
    q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
    return torch.from_numpy(q if rows >= cols else q.T).float()
