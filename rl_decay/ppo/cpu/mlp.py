"""Stacked MLPs, forward and backward, in buffers that every call overwrites."""

from __future__ import annotations

import numpy as np
import torch

from rl_decay.ppo.net_shape import NetShape

aten = torch.ops.aten


class StackedMLP:
    """G networks whose parameters are the rows of a buffer [G, P], on S rows of input each.

    `inputs` [G, S, D] is filled by the caller before `forward`, `d_outputs` [G, S, head] before `backward`; padded
    outputs keep the slope 0 that they begin with, so that their weights stay 0.
    """

    def __init__(self, shape: NetShape, parameters: np.ndarray, rows: int):
        networks = len(parameters)
        self._relu = shape.activation == "relu"
        self._layers, _ = shape.unpack(torch.from_numpy(parameters))
        # What goes into each layer, and at the end the outputs; seen by PyTorch and by NumPy.
        self._values = [_zeros(networks, rows, width) for width in shape.widths]
        self._arrays = [values.numpy() for values in self._values]
        self.inputs = self._arrays[0]
        self.outputs = self._arrays[-1]

    def forward(self) -> None:
        """Fill `outputs` [G, S, head] from `inputs`."""
        last = len(self._layers) - 1
        for k, (weight, bias) in enumerate(self._layers):
            torch.baddbmm(bias, self._values[k], weight, out=self._values[k + 1])
            if k == last:
                break
            activations = self._arrays[k + 1]
            if self._relu:
                np.maximum(activations, 0, out=activations)
            else:
                np.tanh(activations, out=activations)


class TrainedMLP(StackedMLP):
    """A StackedMLP with the gradient [G, P] by its parameters."""

    def __init__(self, shape: NetShape, parameters: np.ndarray, gradient: np.ndarray, rows: int):
        super().__init__(shape, parameters, rows)
        networks = len(parameters)
        self._gradients, _ = shape.unpack(torch.from_numpy(gradient))
        self._slopes = [_zeros(networks, rows, width) for width in shape.widths[1:]]
        self.d_outputs = self._slopes[-1].numpy()
        self._transposed_weights = [weight.transpose(1, 2) for weight, _ in self._layers]
        *hidden, (head_weight, _) = self._layers
        # Products are made here and then copied: the gradient's rows have gaps, which the `out` of a product must not.
        self._d_weights = [_zeros(*weight.shape) for weight, _ in hidden]
        self._d_head = _zeros(*head_weight.transpose(1, 2).shape)
        self._d_biases = [_zeros(*bias.shape) for _, bias in self._layers]

    def backward(self) -> None:
        """Fill the gradient from `d_outputs`, right after `forward`."""
        for k in reversed(range(len(self._layers))):
            d_weight, d_bias = self._gradients[k]
            if k == len(self._layers) - 1:
                # Head and inputs change places: MKL takes half the time for few rows of what it does for few columns.
                torch.bmm(self._slopes[k].transpose(1, 2), self._values[k], out=self._d_head)
                d_weight.copy_(self._d_head.transpose(1, 2))
            else:
                torch.bmm(self._values[k].transpose(1, 2), self._slopes[k], out=self._d_weights[k])
                d_weight.copy_(self._d_weights[k])
            torch.sum(self._slopes[k], 1, keepdim=True, out=self._d_biases[k])
            d_bias.copy_(self._d_biases[k])
            if k > 0:  # nobody needs the slope by the observations
                slopes = self._slopes[k - 1]
                torch.bmm(self._slopes[k], self._transposed_weights[k], out=slopes)
                # d * (1 - h^2), or d where h > 0: one pass each, and neither needs what was activated.
                if self._relu:
                    aten.threshold_backward.grad_input(slopes, self._values[k], 0, grad_input=slopes)
                else:
                    aten.tanh_backward.grad_input(slopes, self._values[k], grad_input=slopes)


def _zeros(*shape: int) -> torch.Tensor:
    """Zeros whatever a caller's default type and device are."""
    return torch.zeros(shape, dtype=torch.float32, device="cpu")
