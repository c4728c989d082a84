"""A number for what the task gave each member in each step, by which a replay is compared with the first time."""

from __future__ import annotations

import numpy as np

CHUNK = 1 << 20  # words that are multiplied at once: 8 MB


class Digester:
    """Digests of the rows of a member's slots.

        digest = high 32 bits of sum_i weight_i * word_i  mod 2^64

    The words are the bits of N observations of D float32, N rewards and N flags; the weights are fixed odd numbers, so
    that two different rows share a digest by a chance of about 2^-32. Weights belong to places within a member: it
    has the same digests in any population. A CRC of each row would take a Python call per step and member.
    """

    def __init__(self, num_envs: int, width: int):
        self._words = num_envs * width
        count = self._words + 2 * num_envs
        weights = np.random.SeedSequence(0).generate_state(count, np.uint64) | np.uint64(1)
        self._of_obs, self._of_rewards, self._of_flags = np.split(weights, [self._words, self._words + num_envs])

    def __call__(self, obs: np.ndarray, rewards: np.ndarray, flags: np.ndarray) -> np.ndarray:
        """Digests [T, M] int32 of observations [T, M, N, D] float32, rewards [T, M, N] float32, flags [3, T, M, N]."""
        steps, members = obs.shape[:2]
        words = np.ascontiguousarray(obs).view(np.uint32).reshape(steps * members, self._words)
        rows = max(1, CHUNK // self._words)
        parts = [words[i : i + rows].astype(np.uint64) @ self._of_obs for i in range(0, len(words), rows)]
        total = np.concatenate(parts).reshape(steps, members)
        total += np.ascontiguousarray(rewards).view(np.uint32).astype(np.uint64) @ self._of_rewards
        bits = flags[0] + 2 * flags[1].astype(np.uint64) + 4 * flags[2].astype(np.uint64)
        total += bits @ self._of_flags
        return (total >> np.uint64(32)).astype(np.uint32).view(np.int32)


def first_difference(one: np.ndarray, other: np.ndarray) -> int | None:
    """The first place at which two rows of digests differ; None where they are equal as far as both go."""
    length = min(one.size, other.size)
    places = np.flatnonzero(one.ravel()[:length] != other.ravel()[:length])
    return int(places[0]) if len(places) else None
