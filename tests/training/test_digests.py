"""Digests of what a task gave: one number per step and member."""

import numpy as np
import pytest

from rl_decay.training import digests
from rl_decay.training.digests import Digester, first_difference

T, M, N, D = 5, 3, 2, 4


@pytest.fixture
def rows():
    """Observations [T, M, N, D], rewards [T, M, N] and flags [3, T, M, N]."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(T, M, N, D)).astype(np.float32), rng.normal(size=(T, M, N)).astype(np.float32)
    return (*numbers, rng.random((3, T, M, N)) < 0.5)


def test_a_member_has_the_same_digests_alone_and_in_any_order(rows):
    obs, rewards, flags = rows
    whole = Digester(N, D)(obs, rewards, flags)
    assert whole.shape == (T, M) and whole.dtype == np.int32
    for m in range(M):
        alone = Digester(N, D)(obs[:, [m]], rewards[:, [m]], flags[:, :, [m]])
        assert alone[:, 0].tolist() == whole[:, m].tolist()


def test_steps_digested_one_by_one_are_those_digested_together(rows, monkeypatch):
    obs, rewards, flags = rows
    whole = Digester(N, D)(obs, rewards, flags)
    steps = [Digester(N, D)(obs[[t]], rewards[[t]], flags[:, [t]])[0].tolist() for t in range(T)]
    assert steps == whole.tolist()
    monkeypatch.setattr(digests, "CHUNK", 3 * N * D)  # three rows at once
    assert Digester(N, D)(obs, rewards, flags).tolist() == whole.tolist()


@pytest.mark.parametrize("what", [0, 1, 2])
def test_one_bit_changes_the_digest_of_its_own_step_and_member_alone(rows, what):
    before = Digester(N, D)(*rows)
    if what == 2:
        rows[2][1, 3, 2, 0] ^= True
    else:
        place = (3, 2, 1, 0)[: rows[what].ndim]
        rows[what][place] = np.nextafter(rows[what][place], np.float32(9))
    after = Digester(N, D)(*rows)
    assert np.argwhere(before != after).tolist() == [[3, 2]]


def test_two_signs_that_change_together_are_seen(rows):
    # a sum of 32 bits would lose them: odd * 2^31 + odd * 2^31 = 0 mod 2^32
    before = Digester(N, D)(*rows)
    rows[0][0, 0, :, 0] *= -1
    assert before[0, 0] != Digester(N, D)(*rows)[0, 0]


def test_the_first_difference():
    row = np.array([1, 2, 3])
    assert first_difference(row, row) is None
    assert first_difference(row, np.array([1, 5, 6])) == 1
    assert first_difference(row[:2], row) is None
