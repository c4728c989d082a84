"""The policy as one PyTorch module: normaliser, network, best action, and the form in which the task takes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch import Tensor

from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError, one_line
from rl_decay.evaluate.policy import Policy


class Program(torch.nn.Module):
    """The task's own deterministic actions [B, ...] for flat observations [B, D] float32, without padding.

    It computes with the policy's own functions, so that no second version of normaliser or network can drift away.
    """

    def __init__(self, policy: Policy):
        super().__init__()
        self._policy = policy
        self._own_actions = own_actions(policy.codec)

    def forward(self, obs: Tensor) -> Tensor:
        """Actions [B, ...] for obs [B, D]."""
        member_rows = obs.unsqueeze(0)
        return self._own_actions(self._policy.flat_actions(member_rows).squeeze(0))


def own_actions(codec: Codec) -> Callable[[Tensor], Tensor]:
    """`Codec.decode` on tensors: flat actions [B], [B, C] or [B, A] to the task's own [B, ...].

    Whoever gives `decode` another mapping adds it here, too; tests/export compares both for every kind of action.
    """
    space = codec.action_space
    if isinstance(space, Discrete):
        first = int(space.start)
        return lambda actions: actions + first
    assert isinstance(space, (Box, MultiDiscrete, MultiBinary))
    dtype = _tensor_type(space.dtype)
    shape = (-1, *space.shape)  # not unflatten, which knows no space of shape ()
    if isinstance(space, Box):
        bounded = _onto_bounds(space, dtype, codec)
        return lambda actions: bounded(actions.reshape(shape)).to(dtype)
    start = space.start if isinstance(space, MultiDiscrete) else np.zeros(space.shape)
    firsts = torch.from_numpy(np.asarray(start).astype(np.int64))
    return lambda actions: (actions.reshape(shape) + firsts).to(dtype)


def _onto_bounds(space: Box, dtype: torch.dtype, codec: Codec) -> Callable[[Tensor], Tensor]:
    """The mapping of continuous actions [B, ...] onto the bounds of their space."""
    wide = torch.promote_types(torch.float32, dtype)  # the precision in which NumPy computes it
    low = torch.from_numpy(space.low).to(wide)
    high = torch.from_numpy(space.high).to(wide)
    squashed = codec.squash == "tanh"
    if not (squashed or codec.rescale):
        return lambda actions: actions.to(wide).clamp(low, high)
    span = torch.from_numpy(space.high - space.low).to(wide)

    def mapped(actions: Tensor) -> Tensor:
        numbers = actions.tanh() if squashed else actions.clamp(-1, 1)
        share = (numbers + 1) * 0.5
        return (low + share.to(wide) * span).clamp(low, high)

    return mapped


def _tensor_type(dtype: np.dtype) -> torch.dtype:
    """The type of a tensor for a space's numbers; UserError if PyTorch has none (np.longdouble)."""
    try:
        return torch.from_numpy(np.zeros(0, dtype)).dtype
    except TypeError:
        raise UserError(
            f"actions of type {one_line(dtype)} cannot be exported, for PyTorch has no such numbers; put a wrapper "
            "around the task that takes float32"
        ) from None
