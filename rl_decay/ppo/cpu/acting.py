"""Actions on the CPU: what `Distribution.sample` and `mode` give, without a PyTorch call per operation."""

from __future__ import annotations

import numpy as np

from rl_decay.ppo.cpu.mlp import StackedMLP
from rl_decay.ppo.moments import Moments
from rl_decay.ppo.networks import ActorCritic


class ArrayActor:
    """The actors of M members, acting on N observations each."""

    def __init__(self, networks: ActorCritic, moments: Moments | None):
        self._spaces = networks.shape.spaces
        self._shape = networks.shape
        # Views of what the optimizer writes into: nothing is copied after an update.
        self._parameters = networks.by_group(networks.parameters)["actor"].numpy()
        self._log_std = networks.log_std.numpy()
        self._moments = moments
        self._by_rows: dict[int, StackedMLP] = {}  # collecting and evaluations have different numbers of rows
        ends = np.cumsum(self._spaces.nvec).tolist()
        self._components = [slice(end - options, end) for end, options in zip(ends, self._spaces.nvec)]

    def __call__(self, obs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Actions [M, N(, C or A)] for observations [M, N, D]; noise [M, N, A], or None for deterministic actions."""
        # A diverging member may overflow: the collector looks at the actions. Warnings are for code that does not.
        with np.errstate(all="ignore"):
            return self._actions(self._outputs(obs), noise)

    def _actions(self, outputs: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        if self._spaces.continuous:
            if noise is None:
                return outputs.copy()
            return outputs + np.exp(self._log_std)[:, None] * noise
        if noise is not None:
            outputs = outputs + noise  # Gumbel noise: the largest sum has the softmax distribution
        if not self._components:
            return outputs.argmax(-1)
        return np.stack([outputs[..., options].argmax(-1) for options in self._components], axis=-1)

    def _outputs(self, obs: np.ndarray) -> np.ndarray:
        """Logits or means [M, N, A]: a view that the next call overwrites."""
        rows = obs.shape[1]
        if rows not in self._by_rows:
            self._by_rows[rows] = StackedMLP(self._shape, self._parameters, rows)
        mlp = self._by_rows[rows]
        if self._moments is None:
            np.copyto(mlp.inputs, obs)
        else:
            self._moments.normalise_array(obs, out=mlp.inputs)
        mlp.forward()
        return mlp.outputs[..., : self._spaces.num_actions]
