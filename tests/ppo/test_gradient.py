"""The written-out gradient against autograd, for every option, and members that must not feel each other."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from rl_decay.ppo.distributions import DiagGaussian
from rl_decay.ppo.gradient import PPOGradient
from rl_decay.ppo.losses import Coefficients, ppo_loss
from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.networks import initial_parameters
from rl_decay.types import Minibatch, Spaces

MEMBERS, ROWS = 3, 40
COMPONENTS = {"equal": (2, 2, 2), "one": (5,), "unequal": (3, 2, 2, 1, 5)}
TASKS = [(2, False), (6, False), (1, True), (6, True), *((0, name) for name in COMPONENTS)]
KINDS = [False, True, "unequal"]  # of actions: discrete, continuous, or several discrete components
OPTIONS = [(*task, *rest) for task, *rest in itertools.product(TASKS, ("tanh", "relu"), (None, 0.3))]


def problem(actions, continuous, activation="tanh", moved=0.2):
    """Parameters, a minibatch with fillers from a policy that was `moved` away, and coefficients per member."""
    nvec = COMPONENTS.get(continuous, ())
    actions = sum(nvec) or actions
    spaces = Spaces(5, actions, continuous is True, nvec)
    g = torch.Generator().manual_seed(actions)

    def normal(*size):
        return torch.randn(MEMBERS, ROWS, *size, generator=g)

    shape = NetShape(spaces, (30, 17), activation)
    flat = initial_parameters(shape, range(MEMBERS), -0.3)
    shape.unpack(flat)[0][-1][0][:MEMBERS, :17, :actions].mul_(50)  # a policy with opinions
    obs = torch.nn.functional.pad(normal(5), (0, shape.widths[0] - 5))
    taken = normal(actions) if spaces.continuous else torch.randint(actions, (MEMBERS, ROWS), generator=g)
    if nvec:
        taken = torch.stack([torch.randint(options, (MEMBERS, ROWS), generator=g) for options in nvec], -1)
    actor_out, log_std, values = shape.actor_critic(flat, obs)
    log_probs = shape.distribution(actor_out, log_std).log_prob(taken)
    valid = (torch.rand(MEMBERS, ROWS, generator=g) < 0.8).float()
    batch = Minibatch(
        obs=obs,
        actions=taken,
        old_log_probs=(log_probs + moved * normal()) * (valid if moved else 1),
        advantages=normal() * valid,
        returns=normal() * valid,
        old_values=values + 2 * moved * normal(),
        weight=valid / valid.sum(-1, keepdim=True),
        rows=valid.sum(-1),
    )
    numbers = ((0.1, 0.2, 0.3), (0.0, 0.05, 0.1), (0.5, 0.7, 1.0))  # clip, entropy_coef, value_coef
    return shape, flat, batch, Coefficients(*map(torch.tensor, numbers))


def by_autograd(shape, flat, batch, coefficients, value_clip):
    leaf = flat.clone().requires_grad_()
    scalar, terms = ppo_loss(leaf, batch, shape, coefficients, value_clip)
    return torch.autograd.grad(scalar, leaf)[0], terms


@pytest.mark.parametrize(("actions", "continuous", "activation", "value_clip"), OPTIONS)
def test_autograd_gives_the_same(actions, continuous, activation, value_clip):
    shape, flat, batch, coefficients = problem(actions, continuous, activation)
    gradient, terms = PPOGradient(shape, flat, value_clip)(batch, coefficients)
    expected, expected_terms = by_autograd(shape, flat, batch, coefficients, value_clip)
    torch.testing.assert_close(terms, expected_terms)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
    assert (expected[MEMBERS:] != 0).any()
    assert (expected[:MEMBERS] != 0).any()
    assert ((terms[4] > 0) & (terms[4] < 1)).all()  # some rows are clipped, others are not


@pytest.mark.parametrize("continuous", KINDS)
def test_in_double_precision_they_agree_to_rounding(continuous):
    shape, flat, batch, coefficients = problem(6, continuous)
    flat, batch = flat.double(), Minibatch(*(x.double() if x.is_floating_point() else x for x in vars(batch).values()))
    coefficients = Coefficients(*(x.double() for x in vars(coefficients).values()))
    gradient, _ = PPOGradient(shape, flat, 0.3)(batch, coefficients)
    torch.testing.assert_close(gradient, by_autograd(shape, flat, batch, coefficients, 0.3)[0], rtol=1e-12, atol=1e-14)


class Squashed(DiagGaussian):
    """The density of tanh(action), by PyTorch's change of variables; the entropy bonus is the Gaussian's."""

    def log_prob(self, actions):
        normal = Independent(Normal(self.mean, self._broadcast_log_std().exp()), 1)
        return TransformedDistribution(normal, TanhTransform()).log_prob(actions.tanh())


class SquashedShape(NetShape):
    def distribution(self, actor_out, log_std):
        return Squashed(actor_out, log_std)


def test_it_is_the_gradient_of_squashed_actions_too():
    """Ratio, KL and gradient of the densities after tanh are those of the Gaussian, which training uses."""
    shape, flat, batch, coefficients = problem(6, continuous=True)
    flat, batch = flat.double(), Minibatch(*(x.double() for x in vars(batch).values()))
    coefficients = Coefficients(*(x.double() for x in vars(coefficients).values()))
    gradient, terms = PPOGradient(shape, flat, 0.3)(batch, coefficients)
    squashed = SquashedShape(shape.spaces, shape.hidden, shape.activation)
    jacobian = (1 - batch.actions.tanh().square()).log().sum(-1)
    squashed_batch = replace(batch, old_log_probs=batch.old_log_probs - jacobian)
    expected, expected_terms = by_autograd(squashed, flat, squashed_batch, coefficients, 0.3)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-11)
    torch.testing.assert_close(terms, expected_terms, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("continuous", KINDS)
@pytest.mark.parametrize("value_clip", [None, 0.3])
def test_before_the_first_step_too(continuous, value_clip):
    # every ratio is 1 and every value is the old one: both branches of minimum and maximum are equal
    shape, flat, batch, coefficients = problem(3, continuous, moved=0)
    gradient, terms = PPOGradient(shape, flat, value_clip)(batch, coefficients)
    expected, _ = by_autograd(shape, flat, batch, coefficients, value_clip)
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)
    assert terms[3].abs().max() < 1e-6
    assert (terms[4] == 0).all()


def test_it_follows_the_parameters_as_they_are_written_in_place():
    shape, flat, batch, coefficients = problem(3, continuous=True)
    function = PPOGradient(shape, flat, None)
    first = function(batch, coefficients)[0].clone()
    flat.mul_(1.5)
    second = function(batch, coefficients)[0]
    assert not torch.equal(first, second)
    torch.testing.assert_close(second, by_autograd(shape, flat, batch, coefficients, None)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("continuous", KINDS)
@pytest.mark.parametrize("field", ["obs", "returns", "advantages", "old_log_probs"])
@pytest.mark.parametrize("garbage", [1e30, math.nan, math.inf])
def test_a_members_gradient_does_not_feel_another_members_numbers(continuous, field, garbage):
    shape, flat, batch, coefficients = problem(3, continuous)
    function = PPOGradient(shape, flat, 0.3)
    clean = [x.clone() for x in function(batch, coefficients)]
    getattr(batch, field)[1] = garbage
    spoiled = function(batch, coefficients)
    keep = [0, 2]
    assert torch.equal(clean[0].view(2, MEMBERS, -1)[:, keep], spoiled[0].view(2, MEMBERS, -1)[:, keep])
    assert torch.equal(clean[1][:, keep], spoiled[1][:, keep])
    getattr(batch, field)[1] = 0.5  # and nothing of it stays in the buffers
    assert function(batch, coefficients)[0].isfinite().all()
