"""Randomness as data: every number an iteration needs is a function of (member seed, purpose, index).

There is no generator state to save or to share: the streams of iteration k are made anew from
`SeedSequence(seed, spawn_key=(purpose, k))`, so a member draws the same numbers alone, in any population, and after a
resume.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rl_decay.types import Draws, Spaces

INIT, ACT, SHUFFLE, ENV = range(4)


def stream(seed: int, purpose: int, index: int) -> np.random.Generator:
    """The generator of one member, purpose and index (iteration, or segment for ENV)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, index)))


def reset_seeds(seed: int, purpose: int, index: int, count: int) -> list[int]:
    """`count` environment seeds. Lists, because an int seed would mean seed, seed+1, ... and overlap between runs."""
    return np.random.SeedSequence(seed, spawn_key=(purpose, index)).generate_state(count).tolist()


def evaluation_seeds(seed: int, episodes: int) -> list[int]:
    """Reset seeds [E] of every evaluation of every run with this evaluation.seed."""
    return np.random.SeedSequence(seed).generate_state(episodes).tolist()


class MemberStreams:
    """The draws of a population of M members."""

    def __init__(self, seeds: Sequence[int], spaces: Spaces):
        self.seeds = list(seeds)
        self.spaces = spaces

    def init_seeds(self) -> list[int]:
        """One seed per member for the initial weights."""
        return [reset_seeds(seed, INIT, 0, 1)[0] for seed in self.seeds]

    def env_seeds(self, segment: int, num_envs: int) -> list[int]:
        """Reset seeds [M*N] of a segment, in slot order."""
        return [s for seed in self.seeds for s in reset_seeds(seed, ENV, segment, num_envs)]

    def draws(self, iteration: int, num_steps: int, num_envs: int, epochs: int) -> Draws:
        """Action noise [T, M, N, A] and permutations [E, M, T*N] of one iteration.

        Each member's numbers are drawn contiguously and then copied: filling a strided view would draw others.
        """
        shape = (num_steps, num_envs, self.spaces.num_actions)
        noise = np.empty((num_steps, len(self.seeds), num_envs, self.spaces.num_actions), np.float32)
        permutations = np.empty((epochs, len(self.seeds), num_steps * num_envs), np.int64)
        for m, seed in enumerate(self.seeds):
            act, shuffle = stream(seed, ACT, iteration), stream(seed, SHUFFLE, iteration)
            noise[:, m] = act.standard_normal(shape, np.float32) if self.spaces.continuous else act.gumbel(size=shape)
            for e in range(epochs):
                permutations[e, m] = shuffle.permutation(num_steps * num_envs)
        return Draws(torch.from_numpy(noise), torch.from_numpy(permutations))
