"""The MLPs of actors and critics as pure functions of parameters, which lie in the rows of a flat buffer.

One member computes the same bits whatever its neighbours: matmul takes another kernel for a lone network with one
output column, and for slabs that are not 16-byte aligned; padding rules out both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rl_decay.ppo.distributions import Categorical, DiagGaussian, distribution
from rl_decay.types import Spaces, aligned

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
        if (
            x.requires_grad or torch.compiler.is_compiling()
        ):  # autograd needs an unchanged x; torch.compile knows no NumPy
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
