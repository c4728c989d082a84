"""How far and in which direction an update moved the parameters; metrics/paths.py is the NumPy reference."""

from __future__ import annotations

from torch import Tensor


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis."""
    return x.square().sum(-1).sqrt()


def relative_step(before: Tensor, after: Tensor) -> Tensor:
    """|after - before| / |before| over the last axis: the effective step size. inf where |before| is 0."""
    return norm(after - before) / norm(before)


def cosine(step: Tensor, previous: Tensor) -> Tensor:
    """Cosine of two updates over the last axis: -1 bouncing, 0 diffusion, 1 drift. NaN where either is 0."""
    return (step * previous).sum(-1) / (norm(step) * norm(previous))
