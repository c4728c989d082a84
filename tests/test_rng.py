"""Streams of random numbers: a function of member, purpose and index, and of nothing else."""

import itertools

import numpy as np
import pytest
import torch

from rl_decay.rng import ACT, ENV, INIT, SHUFFLE, MemberStreams, evaluation_seeds, reset_seeds, stream
from rl_decay.types import Spaces

SPACES = {
    "discrete": Spaces(4, 3, continuous=False),
    "continuous": Spaces(4, 2, continuous=True),
    "components": Spaces(4, 5, continuous=False, nvec=(3, 2)),
}
EVERY_SPACE = pytest.mark.parametrize("spaces", SPACES.values(), ids=list(SPACES))
SIZES = {"num_steps": 5, "num_envs": 2, "epochs": 3}


def test_streams_differ_by_member_purpose_and_index():
    keys = list(itertools.product((0, 1, 2), (INIT, ACT, SHUFFLE, ENV), (0, 1, 2)))
    firsts = {stream(*key).integers(2**63) for key in keys}
    assert len(firsts) == len(keys) == 36
    assert stream(1, ACT, 2).integers(2**63) == stream(1, ACT, 2).integers(2**63)


@EVERY_SPACE
def test_shapes(spaces):
    draws = MemberStreams([0, 1, 2, 3], spaces).draws(7, **SIZES)
    assert draws.noise.shape == (5, 4, 2, spaces.num_actions)
    assert draws.noise.dtype == torch.float32
    assert draws.permutations.shape == (3, 4, 10)
    assert torch.equal(draws.permutations.sort(-1).values, torch.arange(10).expand(3, 4, 10))


@EVERY_SPACE
def test_a_member_draws_the_same_alone_and_in_any_population(spaces):
    alone = MemberStreams([5], spaces).draws(3, **SIZES)
    for seeds in ([5, 6], [1, 2, 5, 3], [7, 5]):
        together, m = MemberStreams(seeds, spaces).draws(3, **SIZES), seeds.index(5)
        assert torch.equal(together.noise[:, m], alone.noise[:, 0])
        assert torch.equal(together.permutations[:, m], alone.permutations[:, 0])


@EVERY_SPACE
def test_draws_differ_by_member_iteration_and_epoch(spaces):
    streams = MemberStreams([0, 1], spaces)
    first, second = (streams.draws(k, **SIZES) for k in (0, 1))
    everything = [draws.noise[:, m] for draws in (first, second) for m in (0, 1)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(everything, 2))
    orders = [draws.permutations[e, m] for draws in (first, second) for m in (0, 1) for e in range(3)]
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(orders, 2))


@EVERY_SPACE
def test_an_iterations_draws_do_not_depend_on_what_was_drawn_before(spaces):
    used, fresh = MemberStreams([0, 1], spaces), MemberStreams([0, 1], spaces)
    for k in range(5):
        used.draws(k, **SIZES)
    again, once = used.draws(5, **SIZES), fresh.draws(5, **SIZES)
    assert torch.equal(again.noise, once.noise)
    assert torch.equal(again.permutations, once.permutations)


def test_noise_and_permutations_come_from_streams_of_their_own():
    draws = MemberStreams([5], SPACES["continuous"]).draws(3, **SIZES)
    np.testing.assert_array_equal(draws.noise[:, 0], stream(5, ACT, 3).standard_normal((5, 2, 2), np.float32))
    shuffle = stream(5, SHUFFLE, 3)
    for order in draws.permutations[:, 0]:
        np.testing.assert_array_equal(order, shuffle.permutation(10))


def test_the_noise_is_gumbel_or_normal():
    gumbel, normal = (
        MemberStreams([0], spaces).draws(0, num_steps=20_000, num_envs=1, epochs=1).noise.numpy()
        for spaces in (SPACES["discrete"], SPACES["continuous"])
    )
    assert gumbel.mean() == pytest.approx(np.euler_gamma, abs=0.02)
    assert gumbel.var() == pytest.approx(np.pi**2 / 6, rel=0.03)
    assert normal.mean() == pytest.approx(0, abs=0.02)
    assert normal.var() == pytest.approx(1, rel=0.03)


def test_environments_of_different_runs_have_different_seeds():
    # an int seed s would mean s, s+1, ...: environment 1 of seed 0 would be environment 0 of seed 1
    streams = MemberStreams(range(50), SPACES["discrete"])
    seeds = streams.env_seeds(0, 8) + streams.env_seeds(1, 8) + evaluation_seeds(1_000_003, 10)
    assert len(set(seeds)) == len(seeds) == 50 * 8 * 2 + 10
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)


def test_environment_seeds_come_in_slot_order_and_do_not_depend_on_the_population():
    alone = MemberStreams([4], SPACES["discrete"]).env_seeds(2, 3)
    assert MemberStreams([9, 4, 1], SPACES["discrete"]).env_seeds(2, 3)[3:6] == alone
    assert alone == reset_seeds(4, ENV, 2, 3)
    assert reset_seeds(4, ENV, 2, 5)[:3] == alone  # more environments leave the first ones as they were


def test_every_member_has_an_initial_seed_of_its_own():
    seeds = MemberStreams(range(30), SPACES["discrete"]).init_seeds()
    assert len(set(seeds)) == 30
    assert MemberStreams([7], SPACES["discrete"]).init_seeds() == seeds[7:8]


def test_evaluations_share_their_seeds():
    assert evaluation_seeds(3, 4) == evaluation_seeds(3, 4) == evaluation_seeds(3, 9)[:4]
    assert not set(evaluation_seeds(3, 4)) & set(evaluation_seeds(4, 4))
