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
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rl_decay.ppo.distributions import Categorical, DiagGaussian, distribution
from rl_decay.types import Spaces, aligned

GROUPS = ("actor", "critic")  # the param groups, in the order of their halves of the buffer
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
        widths = (self.spaces.obs_size, *self.hidden, self.spaces.num_actions)
        return [aligned(width) for width in widths]

    @cached_property
    def sizes(self) -> list[int]:
        """Lengths of the pieces of a row: weight, bias, weight, bias, ..., log_std."""
        sizes = []
        for inputs, outputs in pairwise(self.widths):
            sizes += [inputs * outputs, outputs]
        return [*sizes, aligned(self.spaces.num_actions)]

    def unpack(self, flat: Tensor) -> tuple[Layers, Tensor]:
        """Views of flat [G, P]: the layers of G networks, and log_std [G, A]."""
        *pieces, log_std = flat.split(self.sizes, dim=1)  # one split: its backward is one concatenation
        weights = pieces[::2]
        biases = pieces[1::2]
        layers = []
        for weight, bias, widths in zip(weights, biases, pairwise(self.widths)):
            layers.append((weight.unflatten(1, widths), bias.unsqueeze(1)))
        return layers, log_std[:, : self.spaces.num_actions]

    def mlp(self, layers: Layers, x: Tensor) -> Tensor:
        """Outputs [G, S, head] of G networks on inputs [G, S, D]."""
        *hidden, (head_weight, head_bias) = layers
        for weight, bias in hidden:
            before_activation = torch.baddbmm(bias, x, weight)
            x = self.activate(before_activation)
        return torch.baddbmm(head_bias, x, head_weight)

    def activate(self, x: Tensor) -> Tensor:
        """Activations of x. Overwrites x, except for autograd: a new tensor costs more than the arithmetic.

        tanh is NumPy's on the CPU, because torch.tanh takes ten times as long there.
        """
        if x.requires_grad or torch.compiler.is_compiling():  # autograd needs x as it was, torch.compile no NumPy
            return torch.relu(x) if self.activation == "relu" else torch.tanh(x)
        if self.activation == "relu":
            return x.relu_()
        if x.device.type != "cpu":
            return x.tanh_()
        np.tanh(x.numpy(), out=x.numpy())
        return x

    def activate_backward(self, d_out: Tensor, out: Tensor) -> Tensor:
        """Gradient with respect to the input of `activate`, from d_out, the gradient with respect to its output `out`.

        Overwrites both arguments. Neither slope needs the input: out > 0 tells where relu passed it on.
        """
        if self.activation == "relu":
            return d_out.mul_(out > 0)
        return d_out.addcmul_(d_out, out.square_(), value=-1)  # d_out * (1 - out^2)

    def actor(self, layers: Layers, obs: Tensor) -> Tensor:
        """Logits or means [M, S, A] of the actors alone, for acting."""
        return self.mlp(layers, obs)[..., : self.spaces.num_actions]

    def actor_critic(self, flat: Tensor, obs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits or means [M, S, A], log_std [M, A] and values [M, S] from parameters [2M, P] and obs [M, S, D]."""
        layers, log_std = self.unpack(flat)
        out = self.mlp(layers, torch.cat((obs, obs)))  # the actors' inputs, then the critics'
        actor_out, values = self.heads(out)
        return actor_out, log_std[: obs.shape[0]], values

    def heads(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Views of the outputs [2M, S, head] of all networks: logits or means [M, S, A], and values [M, S]."""
        members = out.shape[0] // 2
        actor_out = out[:members, :, : self.spaces.num_actions]
        values = out[members:, :, 0]
        return actor_out, values

    def distribution(self, actor_out: Tensor, log_std: Tensor) -> Categorical | DiagGaussian:
        """The action distributions that an actor's outputs [M, ..., A] stand for; log_std [M, A]."""
        return distribution(actor_out, log_std, self.spaces.continuous)


class ActorCritic:
    """The networks of M members: one buffer of parameters, seen by param group, by layer and as a policy.

    Nobody else needs to know that the buffer [2M, P] holds the actors before the critics. It is only ever written in
    place, so every view of it stays valid.
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

    def rows(self, by_group: Mapping[str, Tensor]) -> Tensor:
        """Join values [M, ...] of each group into rows [2M, ...], in the order of the buffer; undoes `by_group`."""
        return torch.cat([by_group[group] for group in GROUPS])

    def policy(self, obs: Tensor) -> Categorical | DiagGaussian:
        """The action distributions [M, S] for normalised observations [M, S, D]."""
        actor_out = self.shape.actor(self._actor, obs)
        return self.shape.distribution(actor_out, self.log_std)

    def policy_outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] on normalised observations, and log_std [M, A]; unchanged by later updates."""
        return self.shape.actor(self._actor, obs), self.log_std.clone()  # log_std is a view of the parameters

    def outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Logits or means [M, S, A] and values [M, S] on normalised observations [M, S, D]: one pass, both networks."""
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
