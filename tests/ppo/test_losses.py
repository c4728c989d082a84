"""The terms of the loss by hand, and members that must not feel each other."""

import json
import math
from pathlib import Path

import pytest
import torch

from rl_decay.ppo.losses import Coefficients, clipped_surrogate, ppo_loss, value_loss
from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.networks import initial_parameters
from rl_decay.types import Minibatch, Spaces

KL = json.loads((Path(__file__).parents[1] / "data" / "metric_cases.json").read_text())["ppo_cases"]["kl"]
SHAPE = NetShape(Spaces(4, 2, continuous=False), (4,))
FILLER = 1e6  # a row of weight 0 may hold anything finite


def test_clipped_surrogate():
    ratio, advantages = torch.tensor([1.0, 1.5, 0.5, 1.5, 0.5]), torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    # A > 0: min(1.5, 1.2) = 1.2 and min(0.5, 0.8) = 0.5; A < 0: min(-1.5, -1.2) = -1.5 and min(-0.5, -0.8) = -0.8
    found = clipped_surrogate(ratio, advantages, torch.tensor([0.2]))
    torch.testing.assert_close(found, torch.tensor([-1.0, -1.2, -0.5, 1.5, 0.8]))


def test_every_member_has_its_own_clip_range():
    ratio, advantages = torch.full((2, 1), 1.5), torch.ones(2, 1)
    found = clipped_surrogate(ratio, advantages, torch.tensor([[0.1], [0.3]]))
    torch.testing.assert_close(found, torch.tensor([[-1.1], [-1.3]]))


def test_value_loss():
    values, returns, old = torch.tensor([2.0, 3.0, 0.0]), torch.tensor([2.0, 1.0, 2.0]), torch.tensor([1.0, 3.0, 1.0])
    assert value_loss(values, returns, old, None).tolist() == [0.0, 2.0, 2.0]  # halves of 0, 4, 4
    # limit 0.5 moves the values to 1.5, 3 and 0.5: errors 0.25, 4 and 2.25, of which the larger counts
    assert value_loss(values, returns, old, 0.5).tolist() == [0.125, 2.0, 2.0]


def uniform_policy(ratio, advantages, returns, valid):
    """A minibatch for which networks of zeros, equal odds for two actions and value 0, have the ratios asked for."""
    ratio, valid = torch.tensor([ratio]), torch.tensor([valid])
    rows = ratio.shape[1]
    return Minibatch(
        obs=torch.zeros(1, rows, 4),
        actions=torch.arange(rows).unsqueeze(0) % 2,
        old_log_probs=-math.log(2) - ratio.log(),
        advantages=torch.tensor([advantages]),
        returns=torch.tensor([returns]),
        old_values=torch.zeros(1, rows),
        weight=valid / valid.sum(),
        rows=valid.sum(-1),
    )


def loss_of_zeros(batch, value_clip=None):
    coefficients = Coefficients(*(torch.tensor([x]) for x in (0.2, 0.01, 0.5)))  # clip, entropy, value
    return ppo_loss(torch.zeros(2, sum(SHAPE.sizes)), batch, SHAPE, coefficients, value_clip)


def test_every_term_by_hand():
    batch = uniform_policy(
        ratio=[*KL["ratio"], 7.0],  # 1, 1.1, 0.9, 1.5, 0.6
        advantages=[1.0, 1.0, 0.0, -1.0, -1.0, FILLER],
        returns=[1.0, -1.0, 2.0, 0.0, 3.0, FILLER],
        valid=[1.0, 1.0, 1.0, 1.0, 1.0, 0.0],
    )
    scalar, (policy, value, entropy, approx_kl, clip_fraction) = loss_of_zeros(batch)
    assert approx_kl.item() == pytest.approx(KL["k3"], abs=1e-6)
    assert clip_fraction.item() == pytest.approx(KL["clipfrac_0p2"])
    assert entropy.item() == pytest.approx(math.log(2))
    # -(1 + 1.1 + 0 + min(-1.5, -1.2) + min(-0.6, -0.8)) / 5 = -(2.1 - 1.5 - 0.8) / 5 = 0.04
    assert policy.item() == pytest.approx(0.04, abs=1e-6)
    assert value.item() == pytest.approx((1 + 1 + 4 + 0 + 9) / 5 / 2)
    assert scalar.item() == pytest.approx(0.04 + 0.5 * 1.5 - 0.01 * math.log(2), abs=1e-6)


def test_value_clip_reaches_the_loss():
    # value 0; old value 1 and limit 0.25 move it to 0.75: errors 0 and 0.75^2 against a return of 0
    batch = uniform_policy([1.0, 1.0], [1.0, -1.0], [0.0, 0.0], [1.0, 1.0])
    batch.old_values = torch.ones(1, 2)
    assert loss_of_zeros(batch, value_clip=0.25)[1][1].item() == pytest.approx(0.5 * 0.75**2)


@pytest.mark.parametrize("field", ["obs", "returns", "advantages", "old_log_probs"])
@pytest.mark.parametrize("garbage", [1e30, -1e30, math.nan, math.inf])
def test_a_members_loss_does_not_feel_another_members_numbers(field, garbage):
    flat = initial_parameters(SHAPE, [1, 2, 3], 0.0).requires_grad_()
    g = torch.Generator().manual_seed(0)
    batch = Minibatch(
        torch.randn(3, 10, 4, generator=g),
        torch.randint(2, (3, 10), generator=g),
        *(torch.randn(3, 10, generator=g) * 0.1 - 1 for _ in range(4)),
        weight=torch.full((3, 10), 0.1),
        rows=torch.full((3,), 10.0),
    )
    coefficients = Coefficients(*(torch.full((3,), x) for x in (0.2, 0.01, 0.5)))

    def gradient_and_terms():
        scalar, terms = ppo_loss(flat, batch, SHAPE, coefficients, 0.2)
        return torch.autograd.grad(scalar, flat)[0].view(2, 3, -1), terms

    clean = gradient_and_terms()
    getattr(batch, field)[1] = garbage
    spoiled = gradient_and_terms()
    for a, b in zip(clean, spoiled):
        assert torch.equal(a[:, [0, 2]], b[:, [0, 2]])
    assert not torch.equal(clean[0], spoiled[0])
