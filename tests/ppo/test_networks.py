"""The stacked networks: initialisation, padding, and a plain PyTorch network as the reference."""

import math

import numpy as np
import pytest
import torch
from agents import agent, orders, rollout, schedule_values
from members import active
from torch import nn

from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.networks import initial_parameters
from rl_decay.types import Spaces, aligned

SHAPES = {
    "discrete": NetShape(Spaces(4, 2, continuous=False), (64, 64)),
    "one action": NetShape(Spaces(3, 1, continuous=True), (16, 16)),
    "unequal": NetShape(Spaces(5, 6, continuous=True), (30, 17), "relu"),
    "no hidden layer": NetShape(Spaces(7, 17, continuous=True), ()),
}
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))


def real_widths(shape, head):
    return [shape.spaces.obs_size, *shape.hidden, head]


def rows(shape, flat):
    """Per network: its width at the head, and its layers' weights [in, out] and biases [out]."""
    layers, _ = shape.unpack(flat)
    members = len(flat) // 2
    for row in range(2 * members):
        head = shape.spaces.num_actions if row < members else 1
        yield head, [(weight[row], bias[row, 0]) for weight, bias in layers]


def assert_padding_is_zero(shape, flat):
    for head, layers in rows(shape, flat):
        widths = real_widths(shape, head)
        for (weight, bias), i, o in zip(layers, widths, widths[1:]):
            assert (weight[i:] == 0).all()
            assert (weight[:, o:] == 0).all()
            assert (bias[o:] == 0).all()


@EVERY_SHAPE
def test_initial_layers_are_orthogonal_with_their_gains(shape):
    flat = initial_parameters(shape, [11, 12], -0.5)
    for number, (head, layers) in enumerate(rows(shape, flat)):
        widths = real_widths(shape, head)
        gains = [math.sqrt(2)] * len(shape.hidden) + [0.01 if number < 2 else 1.0]  # two actors, then two critics
        for (weight, bias), gain, i, o in zip(layers, gains, widths, widths[1:]):
            w = weight[:i, :o].double() / gain
            square = w @ w.T if i <= o else w.T @ w
            torch.testing.assert_close(square, torch.eye(len(square)).double(), rtol=0, atol=1e-6)
            assert (bias == 0).all()


@EVERY_SHAPE
def test_the_actors_log_std_starts_as_asked(shape):
    _, log_std = shape.unpack(initial_parameters(shape, [11, 12], -0.5))
    assert log_std.shape == (4, shape.spaces.num_actions)
    assert (log_std[:2] == -0.5).all()


def test_widths_are_multiples_of_four():
    # layers of 5 -> 30 -> 17 -> 6 (or 1): 8, 32, 20 and 8, so 8*32 + 32, 32*20 + 20, 20*8 + 8, and 8 for log_std
    assert [aligned(n) for n in (1, 4, 5, 17, 64)] == [4, 4, 8, 20, 64]
    assert SHAPES["unequal"].widths == [8, 32, 20, 8]
    assert sum(SHAPES["unequal"].sizes) == 288 + 660 + 168 + 8


@EVERY_SHAPE
def test_padding_is_zero_at_the_start(shape):
    assert shape.widths == [aligned(n) for n in real_widths(shape, shape.spaces.num_actions)]
    assert_padding_is_zero(shape, initial_parameters(shape, [1, 2, 3], 0.0))


@pytest.mark.parametrize("name", ["discrete", "one action", "unequal"])
def test_padding_stays_zero_while_learning(name, configure):
    shape = SHAPES[name]
    options = {"net__hidden": list(shape.hidden), "net__activation": shape.activation, "normalize__obs": True}
    ppo = agent(shape.spaces, *(configure(seed=seed, **options) for seed in (0, 1)))
    before = ppo.state_dict()["actor"]["parameters"].clone()
    for _ in range(3):
        ppo.update(rollout(shape.spaces, [0, 1]), orders([0, 1]), schedule_values(2), active(2))
    state = ppo.state_dict()
    flat = torch.cat((state["actor"]["parameters"], state["critic"]["parameters"]))
    assert not torch.equal(before, state["actor"]["parameters"])
    assert_padding_is_zero(shape, flat)


def reference(layers, widths, activation):
    """The same network from PyTorch's own modules."""
    modules = []
    for (weight, bias), i, o in zip(layers, widths, widths[1:]):
        linear = nn.Linear(i, o)
        linear.weight.data, linear.bias.data = weight[:i, :o].T.clone(), bias[:o].clone()
        modules += [linear, {"tanh": nn.Tanh, "relu": nn.ReLU}[activation]()]
    return nn.Sequential(*modules[:-1])


@EVERY_SHAPE
@torch.no_grad()
def test_outputs_are_those_of_ordinary_networks(shape):
    flat = initial_parameters(shape, [5, 6], 0.3)
    g = torch.Generator().manual_seed(0)
    for _, layers in rows(shape, flat):  # biases are 0 at first; any number in the real ones
        for (_, bias), o in zip(layers, shape.hidden):
            bias[:o] = torch.randn(o, generator=g)
    obs = torch.zeros(2, 9, shape.widths[0])
    obs[..., : shape.spaces.obs_size] = torch.randn(2, 9, shape.spaces.obs_size, generator=g)
    actor_out, log_std, values = shape.actor_critic(flat, obs)
    assert actor_out.shape == (2, 9, shape.spaces.num_actions)
    assert values.shape == (2, 9)
    assert log_std.tolist() == torch.full((2, shape.spaces.num_actions), 0.3).tolist()
    networks = [reference(layers, real_widths(shape, head), shape.activation) for head, layers in rows(shape, flat)]
    for m in range(2):
        x = obs[m, :, : shape.spaces.obs_size]
        torch.testing.assert_close(actor_out[m], networks[m](x), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(values[m], networks[2 + m](x).squeeze(-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["one action", "unequal"])
def test_acting_uses_the_actor_that_is_trained(name, configure):
    shape = SHAPES[name]
    options = {"net__hidden": list(shape.hidden), "net__activation": shape.activation}
    ppo = agent(shape.spaces, *(configure(seed=seed, **options) for seed in (0, 1)))
    data = rollout(shape.spaces, [0, 1])
    ppo.update(data, orders([0, 1]), schedule_values(2), active(2))
    state = ppo.state_dict()
    flat = torch.cat((state["actor"]["parameters"], state["critic"]["parameters"]))
    means, log_std, _ = shape.actor_critic(flat, data.obs[0])
    assert torch.equal(ppo.act(data.obs[0], None), means)
    noise = torch.randn(means.shape, generator=torch.Generator().manual_seed(0))
    sampled = means + log_std.exp().unsqueeze(1) * noise
    torch.testing.assert_close(ppo.act(data.obs[0], noise), sampled)


@EVERY_SHAPE
def test_equal_seeds_give_equal_networks_in_any_population(shape):
    alone = initial_parameters(shape, [7], 0.0)
    for seeds in ([7, 8], [8, 7, 9], [1, 2, 3, 4, 7]):
        together, m = initial_parameters(shape, seeds, 0.0), seeds.index(7)
        assert torch.equal(together[[m, len(seeds) + m]], alone)
    other = initial_parameters(shape, [8], 0.0)
    assert not torch.equal(other, alone)
    assert not torch.equal(alone[0], alone[1])


def test_initial_directions_are_uniform():
    # rows of a uniformly random orthogonal matrix point everywhere: the mean over many is about 0
    shape = NetShape(Spaces(2, 2, continuous=False), ())
    layers, _ = shape.unpack(initial_parameters(shape, range(400), 0.0))
    heads = layers[0][0][:400, :2, :2].numpy() / 0.01
    assert np.abs(heads.mean(0)).max() < 4 * math.sqrt(0.5 / 400)  # an entry has variance 1/2
