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

INIT, ACT, SHUFFLE, ENV = range(4)  # purposes; a new one goes last, or every run would draw other numbers


def stream(seed: int, purpose: int, index: int) -> np.random.Generator:
    """The generator of one member, purpose and index (iteration, or segment for ENV)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, index)))


def reset_seeds(seed: int, purpose: int, index: int, count: int) -> list[int]:
    """`count` environment seeds, one per environment.

    Of a single number Gymnasium would make seed, seed + 1, ...: runs with neighbouring seeds would share episodes.
    """
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
        seeds = []
        for seed in self.seeds:
            seeds += reset_seeds(seed, ENV, segment, num_envs)
        return seeds

    def draws(self, iteration: int, num_steps: int, num_envs: int, epochs: int) -> Draws:
        """Action noise [T, M, N, A] and permutations [E, M, T*N] of one iteration."""
        members = len(self.seeds)
        rows = num_steps * num_envs
        noise = np.empty((num_steps, members, num_envs, self.spaces.num_actions), np.float32)
        permutations = np.empty((epochs, members, rows), np.int64)
        for m, seed in enumerate(self.seeds):
            # Drawn as an array of the member's own, then copied: which number lands where must not depend on M.
            noise[:, m] = self._noise(stream(seed, ACT, iteration), num_steps, num_envs)
            shuffle = stream(seed, SHUFFLE, iteration)
            for e in range(epochs):
                permutations[e, m] = shuffle.permutation(rows)
        return Draws(torch.from_numpy(noise), torch.from_numpy(permutations))

    def _noise(self, generator: np.random.Generator, num_steps: int, num_envs: int) -> np.ndarray:
        """One member's action noise [T, N, A]: normal for a continuous policy, Gumbel for a discrete one."""
        shape = (num_steps, num_envs, self.spaces.num_actions)
        if self.spaces.continuous:
            return generator.standard_normal(shape, np.float32)
        return generator.gumbel(size=shape)
