"""The terms of the loss by hand, the masks, and members that must not feel each other."""

import json
import math
from pathlib import Path

import pytest
import torch

from rl_decay.ppo.losses import (
    Coefficients,
    clipped_surrogate,
    masked_mean,
    masked_std,
    normalised,
    ppo_loss,
    value_loss,
)
from rl_decay.ppo.networks import NetShape, initial_parameters
from rl_decay.types import Batch, Spaces

KL = json.loads((Path(__file__).parents[1] / "data" / "metric_cases.json").read_text())["ppo_cases"]["kl"]


def test_clipped_surrogate():
    ratio, advantages = torch.tensor([1.0, 1.5, 0.5, 1.5, 0.5]), torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    # A > 0: min(1.5, 1.2) = 1.2 and min(0.5, 0.8) = 0.5; A < 0: min(-1.5, -1.2) = -1.5 and min(-0.5, -0.8) = -0.8
    found = clipped_surrogate(ratio, advantages, torch.tensor([0.2]))
    torch.testing.assert_close(found, torch.tensor([-1.0, -1.2, -0.5, 1.5, 0.8]))


def test_value_loss():
    values, returns, old = torch.tensor([2.0, 3.0, 0.0]), torch.tensor([2.0, 1.0, 2.0]), torch.tensor([1.0, 3.0, 1.0])
    assert value_loss(values, returns, old, None).tolist() == [0.0, 2.0, 2.0]  # halves of 0, 4, 4
    # limit 0.5 moves the values to 1.5, 3 and 0.5: errors 0.25, 4 and 2.25, of which the larger counts
    assert value_loss(values, returns, old, 0.5).tolist() == [0.125, 2.0, 2.0]


def test_masked_mean_and_standard_deviation():
    x, weight = torch.tensor([[1.0, 2.0, 4.0, 1e9]]), torch.tensor([[1.0, 1.0, 1.0, 0.0]])
    assert masked_mean(x, weight).item() == pytest.approx(7 / 3)
    # squares of -4/3, -1/3, 5/3: (16 + 1 + 25) / 9 = 42/9, over 3 - 1
    assert masked_std(x, weight).item() == pytest.approx(math.sqrt(7 / 3))
    assert masked_std(x, torch.ones(1, 4)).item() == pytest.approx(x.std().item())


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_give_zero_not_nan(rows):
    weight = torch.zeros(1, 3)
    weight[0, :rows] = 1
    assert masked_mean(torch.full((1, 3), 5.0), weight).item() == 5.0 * rows
    assert masked_std(torch.tensor([[5.0, 7.0, 9.0]]), weight).item() == 0.0


def test_advantages_are_normalised_over_the_valid_rows():
    # mean 2, standard deviation (ddof=1) of 1, 2, 3 is 1
    found = normalised(torch.tensor([[1.0, 1e9, 2.0, 3.0]]), torch.tensor([[1.0, 0.0, 1.0, 1.0]]))
    torch.testing.assert_close(found[:, [0, 2, 3]], torch.tensor([[-1.0, 0.0, 1.0]]), rtol=0, atol=1e-6)


def test_reductions_of_one_member_are_those_of_the_stack():
    g = torch.Generator().manual_seed(0)
    x, weight = torch.randn(5, 37, generator=g), (torch.rand(5, 37, generator=g) < 0.8).float()
    for function in (masked_mean, masked_std, normalised):
        together = function(x, weight)
        for m in range(5):
            assert torch.equal(function(x[m : m + 1], weight[m : m + 1]), together[m : m + 1])


def uniform_policy(ratio, advantages, returns, weight):
    """A batch for which networks of zeros, equal odds for two actions and value 0, have the ratios asked for."""
    ratio = torch.tensor([ratio])
    rows = ratio.shape[1]
    return Batch(
        obs=torch.zeros(1, rows, 4),
        actions=torch.arange(rows).unsqueeze(0) % 2,
        old_log_probs=-math.log(2) - ratio.log(),
        advantages=torch.tensor([advantages]),
        returns=torch.tensor([returns]),
        old_values=torch.zeros(1, rows),
        weight=torch.tensor([weight]),
    )


def coefficients(members=1, clip=0.2, entropy=0.01, value=0.5):
    return Coefficients(*(torch.full((members,), x) for x in (clip, entropy, value)))


def test_every_term_by_hand():
    # five valid rows and a filler. Advantages +-1 and 0 have mean 0 and standard deviation sqrt(4 / 4) = 1
    batch = uniform_policy(
        [*KL["ratio"], 7.0], [1.0, 1.0, 0.0, -1.0, -1.0, 50.0], [1.0, -1.0, 2.0, 0.0, 3.0, 50.0], [1.0] * 5 + [0.0]
    )
    shape = NetShape(Spaces(4, 2, continuous=False), (4,))
    scalar, terms = ppo_loss(torch.zeros(2, sum(shape.sizes)), batch, shape, coefficients(), None)
    assert terms.approx_kl.item() == pytest.approx(KL["k3"], abs=1e-6)
    assert terms.clip_fraction.item() == pytest.approx(KL["clipfrac_0p2"])
    assert terms.entropy.item() == pytest.approx(math.log(2))
    # ratios 1, 1.1, 0.9, 1.5, 0.6: -(1 + 1.1 + 0 - 1.5 - 0.8) / 5 = 0.04
    assert terms.policy_loss.item() == pytest.approx(0.04, abs=1e-6)
    assert terms.value_loss.item() == pytest.approx((1 + 1 + 4 + 0 + 9) / 10)
    assert scalar.item() == pytest.approx(0.04 - 0.01 * math.log(2) + 0.5 * 1.5, abs=1e-6)


def test_value_clip_reaches_the_loss():
    # value 0; old value 1 and limit 0.25 move it to 0.75: errors 0 and 0.75^2 against a return of 0
    batch = uniform_policy([1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [1.0, 1.0])
    batch.old_values = torch.ones(1, 2)
    shape = NetShape(Spaces(4, 2, continuous=False), (4,))
    _, terms = ppo_loss(torch.zeros(2, sum(shape.sizes)), batch, shape, coefficients(), 0.25)
    assert terms.value_loss.item() == pytest.approx(0.5 * 0.75**2)


@pytest.mark.parametrize("field", ["obs", "returns", "advantages", "old_log_probs"])
@pytest.mark.parametrize("garbage", [1e30, -1e30, math.nan, math.inf])
def test_a_members_gradient_does_not_feel_another_members_numbers(field, garbage):
    shape = NetShape(Spaces(4, 3, continuous=False), (8, 8))
    flat = initial_parameters(shape, [1, 2, 3], 0.0).requires_grad_()
    g = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randn(3, 10, 4, generator=g),
        torch.randint(3, (3, 10), generator=g),
        *(torch.randn(3, 10, generator=g) * 0.1 - 1 for _ in range(4)),
        weight=torch.ones(3, 10),
    )

    def gradient():
        return torch.autograd.grad(ppo_loss(flat, batch, shape, coefficients(3), 0.2)[0], flat)[0]

    clean = gradient()
    getattr(batch, field)[1] = garbage
    spoiled = gradient()
    for row in (0, 2, 3, 5):  # actors and critics of the members 0 and 2
        assert torch.equal(clean[row], spoiled[row])
    assert not torch.equal(clean, spoiled)
