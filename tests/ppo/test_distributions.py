"""Action distributions against torch.distributions, and samples against their probabilities."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import Normal

from rl_decay.ppo.distributions import Categorical, DiagGaussian, blocks, distribution
from rl_decay.rng import MemberStreams
from rl_decay.types import Spaces


def generator():
    return torch.Generator().manual_seed(0)


def test_categorical_is_torchs():
    logits = 3 * torch.randn(2, 7, 5, generator=generator())
    actions = torch.randint(5, (2, 7), generator=generator())
    ours, theirs = Categorical(logits), TorchCategorical(logits=logits)
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions))
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    assert torch.equal(ours.mode(), theirs.probs.argmax(-1))


def test_gaussian_is_torchs():
    mean, log_std = torch.randn(2, 7, 3, generator=generator()), torch.randn(2, 3, generator=generator())
    actions = torch.randn(2, 7, 3, generator=generator())
    ours, theirs = DiagGaussian(mean, log_std), Normal(mean, log_std.exp().unsqueeze(1).expand_as(mean))
    torch.testing.assert_close(ours.log_prob(actions), theirs.log_prob(actions).sum(-1))
    torch.testing.assert_close(ours.entropy(), theirs.entropy().sum(-1))
    assert torch.equal(ours.mode(), mean)


def test_by_hand():
    # odds 1 : 3, so p = 1/4, 3/4
    policy = distribution(torch.tensor([[[0.0, math.log(3)]]]), torch.zeros(1, 2), continuous=False)
    assert policy.log_prob(torch.tensor([[0]])).item() == pytest.approx(math.log(0.25))
    assert policy.entropy().item() == pytest.approx(-0.25 * math.log(0.25) - 0.75 * math.log(0.75))
    # mean 1, standard deviation 2, action 5: z = 2
    policy = distribution(torch.tensor([[[1.0]]]), torch.tensor([[math.log(2)]]), continuous=True)
    expected = -0.5 * 2**2 - math.log(2) - 0.5 * math.log(2 * math.pi)
    assert policy.log_prob(torch.tensor([[[5.0]]])).item() == pytest.approx(expected)
    assert policy.entropy().item() == pytest.approx(math.log(2) + 0.5 * math.log(2 * math.pi * math.e))
    assert policy.sample(torch.tensor([[[-1.5]]])).item() == pytest.approx(1 - 1.5 * 2)


def noise(continuous, count=20_000, size=4):
    """Noise [count, A] as training draws it."""
    streams = MemberStreams([3], Spaces(4, size, continuous))
    return streams.draws(0, num_steps=count, num_envs=1, epochs=1).noise[:, 0, 0]


def test_frequencies_of_actions_are_the_softmax():
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    actions = Categorical(logits.expand(20_000, 4)).sample(noise(continuous=False))
    expected = 20_000 * torch.softmax(logits, -1)
    chi_square = ((torch.bincount(actions, minlength=4) - expected).square() / expected).sum()
    assert chi_square < 16.3  # three degrees of freedom: more than that has probability 0.001


def test_gaussian_samples_have_mean_and_standard_deviation():
    mean, log_std = torch.tensor([-1.0, 0.0, 2.0, 50.0]), torch.tensor([[0.0, 1.0, -2.0, 0.5]])
    samples = DiagGaussian(mean.expand(1, 20_000, 4), log_std).sample(noise(continuous=True).unsqueeze(0))[0]
    error = log_std[0].exp() / math.sqrt(20_000)
    assert ((samples.mean(0) - mean).abs() < 4 * error).all()
    assert ((samples.std(0) - log_std[0].exp()).abs() < 4 * error).all()


NVECS = [(4,), (2, 2, 2), (3, 2, 2, 5), (2, 7, 2, 1), (2,) * 17]


@pytest.mark.parametrize("nvec", NVECS)
def test_components_are_torchs_independent_categoricals(nvec):
    logits = 3 * torch.randn(2, 7, sum(nvec), generator=generator())
    actions = torch.stack([torch.randint(n, (2, 7), generator=generator()) for n in nvec], -1)
    ours = distribution(logits, torch.zeros(2, 1), continuous=False, action_blocks=blocks(nvec))
    theirs = [TorchCategorical(logits=piece) for piece in logits.split(nvec, -1)]
    log_probs = [policy.log_prob(actions[..., c]) for c, policy in enumerate(theirs)]
    torch.testing.assert_close(ours.log_prob(actions), torch.stack(log_probs).sum(0))
    torch.testing.assert_close(ours.entropy(), torch.stack([policy.entropy() for policy in theirs]).sum(0))
    assert torch.equal(ours.mode(), torch.stack([policy.probs.argmax(-1) for policy in theirs], -1))
    assert ours.mode().dtype == ours.sample(torch.zeros_like(logits)).dtype == torch.int64
    assert torch.equal(ours.sample(torch.zeros_like(logits)), ours.mode())


def test_one_component_is_a_discrete_action_bit_for_bit():
    logits = torch.randn(2, 7, 5, generator=generator())
    draws = torch.randn(2, 7, 5, generator=generator())
    one, alone = distribution(logits, draws, False, blocks((5,))), distribution(logits, draws, False)
    actions = alone.sample(draws)
    assert torch.equal(one.sample(draws), actions.unsqueeze(-1))
    assert torch.equal(one.log_prob(actions.unsqueeze(-1)), alone.log_prob(actions))
    assert torch.equal(one.entropy(), alone.entropy())


def test_frequencies_of_each_component_are_its_softmax():
    nvec = (3, 2, 2)
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.0, -1.0, 0.5])
    policy = distribution(logits.expand(1, 20_000, 7), torch.zeros(1, 7), False, blocks(nvec))
    actions = policy.sample(noise(continuous=False, size=7).unsqueeze(0))[0]
    for c, piece in enumerate(logits.split(nvec)):
        expected = 20_000 * torch.softmax(piece, -1)
        chi_square = ((torch.bincount(actions[:, c], minlength=nvec[c]) - expected).square() / expected).sum()
        assert chi_square < 13.8  # two degrees of freedom or fewer: more than that has probability 0.001
    # and the components are independent: no pair is drawn more often than the product says
    joint = torch.bincount(2 * actions[:, 1] + actions[:, 2], minlength=4) / 20_000
    expected = (torch.softmax(logits[3:5], -1).unsqueeze(-1) * torch.softmax(logits[5:], -1)).flatten()
    assert (joint - expected).abs().max() < 0.015


@pytest.mark.parametrize(
    "continuous, nvec",
    [(False, ()), (True, ()), (False, (3,)), (False, (1, 2)), (False, (2, 2, 3)), (False, (7, 2, 3))],
)
def test_members_are_independent(continuous, nvec):
    width = sum(nvec) or 3
    outputs, log_std = torch.randn(5, 6, width, generator=generator()), torch.randn(5, width, generator=generator())
    draws = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 6, width)).astype(np.float32))
    together = distribution(outputs, log_std, continuous, blocks(nvec))
    actions = together.sample(draws)
    for m in (slice(0, 1), slice(3, 4), slice(1, 4)):
        alone = distribution(outputs[m], log_std[m], continuous, blocks(nvec))
        assert torch.equal(alone.sample(draws[m]), actions[m])
        assert torch.equal(alone.mode(), together.mode()[m])
        assert torch.equal(alone.log_prob(actions[m]), together.log_prob(actions)[m])
        assert torch.equal(alone.entropy(), together.entropy()[m])
