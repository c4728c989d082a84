"""Running moments against NumPy's, and reward scaling by hand."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from agents import agent, orders, rollout, schedule_values
from members import active

from rl_decay.ppo.moments import Moments, RewardScaler
from rl_decay.types import Spaces

STATE = ("count", "mean", "var")


def data(members=2, rows=50, size=3):
    rng = np.random.default_rng(0)
    x = rng.normal(loc=[5.0, -300.0, 0.01], scale=[1.0, 20.0, 0.001], size=(members, rows, size))
    weight = rng.random((members, rows)) < 0.7
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(weight).float()


def merged(*pieces, members=2, size=3):
    moments = Moments(members, size)
    for x, weight in pieces:
        moments.merge(x, weight)
    return moments.state_dict()


def test_numpys_moments_of_the_valid_rows():
    x, weight = data()
    state = merged((x, weight))
    for m in range(2):
        rows = x[m][weight[m] == 1].double().numpy()
        assert state["count"][m].item() == len(rows)
        np.testing.assert_allclose(state["mean"][m], rows.mean(0), rtol=1e-12)
        np.testing.assert_allclose(state["var"][m], rows.var(0), rtol=1e-9)


@pytest.mark.parametrize("cuts", [(10,), (1, 2, 3), (0, 25, 25, 50)])
def test_in_pieces_is_all_at_once(cuts):
    x, weight = data()
    edges = [0, *cuts, 50]
    pieces = merged(*((x[:, i:j], weight[:, i:j]) for i, j in pairwise(edges)))
    whole = merged((x, weight))
    for key in STATE:
        torch.testing.assert_close(pieces[key], whole[key], rtol=1e-9, atol=1e-12)


def test_rows_of_weight_zero_are_not_there():
    x, weight = data()
    spoiled = torch.where(weight.unsqueeze(-1) == 1, x, torch.tensor(1e30))
    clean, dirty = merged((x, weight), (x, weight)), merged((spoiled, weight), (spoiled, weight))
    assert all(torch.equal(clean[key], dirty[key]) for key in STATE)


def test_nothing_merged_is_the_identity_within_the_limits():
    moments = Moments(1, 2)
    x = torch.tensor([[[1.5, -3.25], [1e6, -1e6]]])
    for _ in range(2):
        torch.testing.assert_close(moments.normalise(x), torch.tensor([[[1.5, -3.25], [10.0, -10.0]]]))
        moments.merge(x, torch.zeros(1, 2))  # no valid row: still nothing


def test_normalised_rows_have_mean_zero_and_variance_one():
    x, _ = data()
    moments = Moments(2, 3)
    moments.merge(x, torch.ones(2, 50))
    # the constant 1e-8 beside the variance counts where that is small, in the last column 1e-6
    out = moments.normalise(x).double()
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 3).double(), rtol=0, atol=1e-3)
    variance = (out - out.mean(1, keepdim=True)).square().mean(1)
    torch.testing.assert_close(variance, torch.ones(2, 3).double(), rtol=0.02, atol=0)


def test_a_constant_column_becomes_zero():
    moments = Moments(1, 1)
    moments.merge(torch.full((1, 9, 1), 0.3), torch.ones(1, 9))
    assert moments.normalise(torch.full((1, 9, 1), 0.3)).abs().max() < 1e-3


def test_members_do_not_meet():
    x, weight = data(members=3)
    together = merged((x, weight), (x, weight), members=3)
    for m in range(3):
        one = slice(m, m + 1)
        alone = merged((x[one], weight[one]), (x[one], weight[one]), members=1)
        assert all(torch.equal(alone[key], together[key][one]) for key in STATE)
    x[1] = math.nan
    spoiled = merged((x, weight), (x, weight), members=3)
    assert all(torch.equal(spoiled[key][[0, 2]], together[key][[0, 2]]) for key in STATE)


def test_a_state_travels():
    x, weight = data()
    first, second = Moments(2, 3), Moments(2, 3)
    first.merge(x, weight)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.normalise(x), second.normalise(x))


def grid(values, dtype=torch.float32):
    """[T] -> [T, 1, 1]: one member, one environment."""
    return torch.tensor(values, dtype=dtype).view(-1, 1, 1)


def scaled(scaler, rewards, done, valid):
    return scaler.scale(grid(rewards), grid(done, torch.bool), grid(valid, torch.bool)).flatten().tolist()


@pytest.fixture
def scaler():
    return RewardScaler(1, 1, torch.tensor([0.5]))


def test_rewards_are_divided_by_the_deviation_of_the_running_return(scaler):
    # gamma 1/2, running returns 1, 1/2 + 2 = 2.5 (end), filler, 3 (new episode), 1.5 + 1 = 2.5
    # mean 9/4; squares of -5/4, 1/4, 3/4, 1/4: (25 + 1 + 9 + 1) / 16 = 36/16, over 4 rows: 9/16
    found = scaled(scaler, [1, 2, 0, 3, 1], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1])
    assert found == pytest.approx([4 / 3, 8 / 3, 0, 4, 4 / 3])
    assert scaler.running.item() == 2.5


def test_what_a_filler_holds_is_skipped(scaler):
    found = scaled(scaler, [1, 2, 777, 3, 1], [0, 1, 0, 0, 0], [1, 1, 0, 1, 1])
    assert [found[i] for i in (0, 1, 3, 4)] == pytest.approx([4 / 3, 8 / 3, 4, 4 / 3])


def test_the_running_return_goes_on_in_the_next_rollout_and_ends_with_a_segment(scaler):
    scaled(scaler, [4.0], [0], [1])
    scaled(scaler, [1.0], [0], [1])  # 4/2 + 1
    assert scaler.running.item() == 3.0
    scaler.reset()
    scaled(scaler, [1.0], [1], [1])
    assert scaler.running.item() == 0.0  # an end in a rollout's last row
    # 4, 3 and 1: mean 8/3, variance (16 + 1 + 25) / 9 / 3 = 14/9
    assert scaler.moments.var.item() == pytest.approx(14 / 9)


def test_scaled_rewards_are_limited():
    scaler = RewardScaler(1, 1, torch.tensor([0.0]))
    # 1000 zeros and one reward r: variance about r^2 / 1001, so r becomes about sqrt(1001) = 31.6, cut to 10
    found = scaled(scaler, [0.0] * 1000 + [-7.0], [0] * 1001, [1] * 1001)
    assert found[-1] == -10.0


def test_every_environment_has_its_own_running_return():
    scaler = RewardScaler(2, 2, torch.tensor([0.5, 1.0]))
    rewards = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [1.0, 1.0]]])  # [T, M, N]
    none, all_valid = torch.zeros(2, 2, 2, dtype=torch.bool), torch.ones(2, 2, 2, dtype=torch.bool)
    scaler.scale(rewards, none, all_valid)
    assert scaler.running.tolist() == [[1.5, 2.0], [4.0, 5.0]]
    # the members' returns: 1, 2, 1.5, 2 and 3, 4, 4, 5
    assert scaler.moments.mean.flatten().tolist() == pytest.approx([6.5 / 4, 4.0])


def test_both_kinds_of_an_end_restart_the_return_in_training(configure):
    # an agent sees `done`, terminated or truncated, so the flag that says which one changes no statistics
    spaces, states = Spaces(3, 2, continuous=False), []
    for terminated in (True, False):
        ppo, data_ = agent(spaces, configure(normalize__reward=True)), rollout(spaces, [0])
        data_.terminated = data_.done & terminated
        ppo.update(data_, orders([0]), schedule_values(1), active(1))
        states.append(ppo.state_dict()["reward_scaler"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    ppo.new_segment()
    assert (ppo.state_dict()["reward_scaler"]["running"] == 0).all()
    assert (states[0]["running"] != 0).any()
