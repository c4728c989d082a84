"""From a rollout to minibatches: order, masks, and advantages normalised within each minibatch."""

import math
from dataclasses import fields

import pytest
import torch
from agents import orders, rollout

from rl_decay.ppo.batches import flatten, masked_mean, member_first, minibatches, standardised
from rl_decay.ppo.distributions import Categorical
from rl_decay.types import Batch, Minibatch, Spaces

SPACES = Spaces(5, 3, continuous=False)


def test_member_first_rows_are_step_by_step():
    x = torch.arange(2 * 3 * 4).view(2, 3, 4)  # [T, M, N]
    found = member_first(x)
    assert found[1].tolist() == [4, 5, 6, 7, 16, 17, 18, 19]  # t*N + n of member 1
    assert found.is_contiguous()


@pytest.mark.parametrize("members", [1, 2])
def test_member_first_is_a_copy(members):
    x = torch.zeros(2, members, 4)
    member_first(x).fill_(1)
    assert (x == 0).all()


def test_masked_mean():
    x, valid = torch.tensor([[1.0, 2.0, 4.0, 1e9]]), torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert masked_mean(x, valid).item() == pytest.approx(7 / 3)
    assert masked_mean(x, torch.zeros(1, 4)).item() == 0.0


def test_standardised_by_hand():
    # mean 7/3; squares of -4/3, -1/3, 5/3: (16 + 1 + 25) / 9 = 42/9, over 3 - 1 rows: 7/3
    x, valid = torch.tensor([[1.0, 1e9, 2.0, 4.0]]), torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    expected = [a / 3 / math.sqrt(7 / 3) for a in (-4, 0, -1, 5)]
    assert standardised(x, valid)[0].tolist() == pytest.approx(expected, abs=1e-6)
    everything = torch.tensor([[1.0, 7.0, 2.0, 4.0]])
    torch.testing.assert_close(
        standardised(everything, torch.ones(1, 4)), (everything - everything.mean()) / everything.std()
    )


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_rows_become_zero_not_nan(count):
    valid = torch.zeros(1, 3)
    valid[0, :count] = 1
    assert standardised(torch.tensor([[5.0, 7.0, 9.0]]), valid).tolist() == [[0.0, 0.0, 0.0]]


def test_reductions_of_one_member_are_those_of_the_stack():
    g = torch.Generator().manual_seed(0)
    x, valid = torch.randn(5, 37, generator=g), (torch.rand(5, 37, generator=g) < 0.8).float()
    for function in (masked_mean, standardised):
        together = function(x, valid)
        for m in range(5):
            assert torch.equal(function(x[m : m + 1], valid[m : m + 1]), together[m : m + 1])


@pytest.fixture
def batch():
    """A batch of two members whose advantages are the numbers of their rows."""
    data = rollout(SPACES, [0, 1])
    obs, logits = member_first(data.obs[:-1]), torch.zeros(2, 64, 3)
    advantages = torch.arange(64.0).view(32, 1, 2).expand(32, 2, 2)
    return data, flatten(obs, Categorical(logits), data, advantages, torch.ones(32, 2, 2))


def test_filler_rows_are_zero_in_every_field(batch):
    data, flat = batch
    filler = ~member_first(data.valid)
    assert filler.any()
    for f in fields(Batch):
        x = getattr(flat, f.name)
        assert (x[filler] == 0).all()
        assert x[~filler].any()
    assert torch.equal(flat.returns, flat.advantages + flat.old_values)
    torch.testing.assert_close(flat.old_log_probs[~filler], torch.full_like(flat.old_log_probs[~filler], -math.log(3)))


@pytest.mark.parametrize("count", [1, 4])
def test_an_epoch_visits_every_row_once_in_the_members_own_order(batch, count):
    _, flat = batch
    order = orders([0, 1], epochs=1)[0]
    cut = list(minibatches(flat, order, count))
    assert len(cut) == count
    size = 64 // count
    for b, minibatch in enumerate(cut):
        for m in range(2):
            rows = order[m, b * size : (b + 1) * size]
            for f in fields(Minibatch):
                if f.name not in ("advantages", "weight", "rows"):
                    assert torch.equal(getattr(minibatch, f.name)[m], getattr(flat, f.name)[m, rows])


def test_advantages_are_normalised_over_the_minibatchs_own_valid_rows(batch):
    _, flat = batch
    order = orders([0, 1], epochs=1)[0]
    for b, minibatch in enumerate(minibatches(flat, order, 4)):
        for m in range(2):
            rows = order[m, 16 * b : 16 * (b + 1)]
            valid = flat.valid[m, rows] == 1
            mine = flat.advantages[m, rows][valid]
            torch.testing.assert_close(minibatch.advantages[m][valid], (mine - mine.mean()) / mine.std())
            assert (minibatch.advantages[m][~valid] == 0).all()
            assert minibatch.rows[m] == valid.sum()
            torch.testing.assert_close(minibatch.weight[m], valid / valid.sum())
