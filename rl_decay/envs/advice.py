"""Advice for a person about a task's spaces, before training on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box

from rl_decay.config.schema import Env
from rl_decay.envs.parts import Part

WIDE = 5.0  # a larger half-width of an action's bounds gets advice; that of [-1, 1] is 1
NARROW = 0.1  # a smaller one does, too
BOUNDLESS = 1e6  # tasks without bounds often declare such large ones
MANY_INPUTS = 10_000  # more numbers in an observation get advice


def advice(env: Env, parts: Sequence[Part], action_space: gym.Space, squash: str = "none") -> Iterator[tuple[str, str]]:
    """Yield (label, text) for each space that makes learning hard: bounds of actions, sizes of observations."""
    is_mapped = env.rescale_actions or squash != "none"
    if isinstance(action_space, Box) and not is_mapped and (bounds := far_bounds(action_space)):
        yield (
            "action bounds",
            f"{env.id} takes actions in [{bounds[0]:g}, {bounds[1]:g}], far from the [-1, 1] around which a new policy "
            "acts: env.rescale_actions=true maps the one onto the other, net.squash=tanh does it without clipping",
        )
    for part in parts:
        shape = " x ".join(map(str, part.shape))
        name = f"{part.name}: " if part.path else ""
        if not isinstance(part.space, Box):
            continue
        if part.space.dtype == np.uint8 and len(part.shape) >= 2:
            yield (
                "pixels",
                f"{name}flattened pixels, no CNN: {shape} of them are {part.size:,} inputs of an MLP: slow, and it "
                "seldom learns from images",
            )
        elif part.size > MANY_INPUTS:
            yield (
                "observations",
                f"{name}{shape} numbers are {part.size:,} inputs of an MLP: its first layer will be slow",
            )


def far_bounds(space: Box) -> tuple[float, float] | None:
    """The first bounds of an action that are far from [-1, 1]: much wider, much narrower, or apart from it.

    None if there are no such bounds. Components without bounds are skipped.
    """
    low = space.low.astype(np.float64).ravel()
    high = space.high.astype(np.float64).ravel()
    bounded = (np.abs(low) < BOUNDLESS) & (np.abs(high) < BOUNDLESS)  # False for infinity and NaN
    for bottom, top in zip(low[bounded], high[bounded]):
        half = (top - bottom) / 2
        if half > WIDE or half < NARROW or bottom > 1 or top < -1:
            return float(bottom), float(top)
    return None
