"""One update as a whole: what may change, what must not, and who notices whom."""

import math

import pytest
import torch
from agents import agent, bits, orders, rollout, schedule_values
from members import active

from rl_decay.types import Spaces

DISCRETE, CONTINUOUS = Spaces(5, 3, continuous=False), Spaces(5, 2, continuous=True)
COMPONENTS = Spaces(5, 7, continuous=False, nvec=(3, 2, 2))
EVERY_KIND = pytest.mark.parametrize(
    "spaces", [DISCRETE, CONTINUOUS, COMPONENTS], ids=["discrete", "continuous", "components"]
)


def parameters(ppo):
    state = ppo.state_dict()
    return torch.stack((state["actor"]["parameters"], state["critic"]["parameters"]))  # [2, M, P]


@EVERY_KIND
@pytest.mark.parametrize("normalize", [False, True])
def test_at_rate_zero_nothing_moves(spaces, normalize, configure):
    ppo = agent(spaces, configure(normalize__obs=normalize))
    for seed in (0, 1):  # the second time with observation moments
        before = parameters(ppo).clone()
        report, _ = ppo.update(rollout(spaces, [seed]), orders([seed]), schedule_values(1, lr=0.0), active(1))
        assert torch.equal(parameters(ppo), before)
        assert report["losses/approx_kl"].abs().item() < 1e-6
        assert report["losses/clipfrac"].item() == 0
        assert report["update/actor/rel_step"].item() == 0


@EVERY_KIND
def test_the_first_minibatch_sees_the_policy_that_acted(spaces, configure):
    ppo = agent(spaces, configure(algo__minibatches=1))
    report, _ = ppo.update(rollout(spaces, [0]), orders([0], epochs=1), schedule_values(1, lr=0.1), active(1))
    assert report["losses/approx_kl"].abs().item() < 1e-6
    report, _ = ppo.update(rollout(spaces, [0]), orders([0], epochs=2), schedule_values(1, lr=0.1), active(1))
    assert report["losses/approx_kl"].item() > 1e-4  # the second epoch's


def test_squashing_changes_no_bit_of_an_update(configure):
    """Actions are stored as they are before tanh, whose Jacobian cancels in the ratio."""
    learned = []
    for squash in ("none", "tanh"):
        ppo = agent(CONTINUOUS, configure(net__squash=squash))
        ppo.update(rollout(CONTINUOUS, [0]), orders([0]), schedule_values(1), active(1))
        learned.append(bits(ppo))
    assert learned[0] == learned[1]


def test_rates_reach_their_groups(configure):
    ppo, values = agent(DISCRETE, configure(), configure()), schedule_values(2)
    values["actor"], values["critic"] = torch.tensor([0.0, 1e-3]), torch.tensor([2e-3, 0.0])
    before = parameters(ppo).clone()
    report, _ = ppo.update(rollout(DISCRETE, [0, 1]), orders([0, 1]), values, active(2))
    moved = (parameters(ppo) != before).any(-1)
    assert moved.tolist() == [[False, True], [True, False]]  # actors, critics
    assert report["lr/actor"].tolist() == pytest.approx([0.0, 1e-3])
    assert report["lr/critic"].tolist() == pytest.approx([2e-3, 0.0])
    assert [group["name"] for group in ppo.optimizer.param_groups] == ["actor", "critic"]


def test_target_kl_stops_only_the_member_that_passed_it(configure):
    seeds = [0, 1, 2]
    limits = [None, 1e-9, 1e9]  # no limit; passed after the first epoch; never reached
    stopping = agent(DISCRETE, *(configure(seed=s, algo__target_kl=limit) for s, limit in zip(seeds, limits)))
    free = agent(DISCRETE, *(configure(seed=s) for s in seeds))
    one_epoch = agent(DISCRETE, *(configure(seed=s) for s in seeds))
    order = orders(seeds, epochs=4)
    updates = [ppo.update(rollout(DISCRETE, seeds), order, schedule_values(3), active(3)) for ppo in (stopping, free)]
    updates.append(one_epoch.update(rollout(DISCRETE, seeds), order[:1], schedule_values(3), active(3)))
    for m, twin in enumerate((free, one_epoch, free)):
        assert bits(stopping, m) == bits(twin, m)
    assert bits(one_epoch, 1) != bits(free, 1)
    assert all(finite.all() for _, finite in updates)
    kl = [report["losses/approx_kl"] for report, _ in updates]
    assert torch.equal(kl[0], torch.stack((kl[1][0], kl[2][1], kl[1][2])))  # the last epoch that was trained


@pytest.mark.parametrize(("field", "garbage"), [("rewards", math.nan), ("rewards", math.inf), ("obs", math.nan)])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_member_with_garbage_dies_alone(field, garbage, normalize, configure):
    configs = [configure(seed=s, normalize__obs=normalize, normalize__reward=normalize) for s in range(3)]
    clean, spoiled = agent(CONTINUOUS, *configs), agent(CONTINUOUS, *configs)
    untouched, learning = parameters(spoiled)[:, 1].clone(), active(3)
    for seed in (0, 10):
        seeds = [seed, seed + 1, seed + 2]
        data = rollout(CONTINUOUS, seeds)
        clean.update(data, orders(seeds), schedule_values(3), active(3))
        row = (3, 1, 0)
        data.valid[row] = True
        getattr(data, field)[row] = garbage
        _, finite = spoiled.update(data, orders(seeds), schedule_values(3), learning)
        learning &= finite
    assert learning.tolist() == [True, False, True]
    assert torch.equal(parameters(spoiled)[:, 1], untouched)
    for m in (0, 2):
        assert bits(spoiled, m) == bits(clean, m)


def test_a_member_dies_for_the_rest_of_the_update_too(configure):
    # gamma 0 keeps the infinite reward in its own row, in minibatch 0; minibatch 1 is as good as ever
    ppo, data = agent(DISCRETE, configure(algo__gamma=0.0, algo__minibatches=2)), rollout(DISCRETE, [0])
    before = parameters(ppo).clone()
    data.rewards[0, 0, 0] = math.inf
    _, finite = ppo.update(data, torch.arange(64).expand(1, 1, 64), schedule_values(1), active(1))
    assert finite.tolist() == [False]
    assert torch.equal(parameters(ppo), before)


def test_a_member_that_has_ended_does_not_learn(configure):
    ppo = agent(DISCRETE, configure(seed=0), configure(seed=1))
    before = parameters(ppo).clone()
    report, _ = ppo.update(rollout(DISCRETE, [0, 1]), orders([0, 1]), schedule_values(2), torch.tensor([True, False]))
    assert torch.equal(parameters(ppo)[:, 1], before[:, 1])
    assert not torch.equal(parameters(ppo)[:, 0], before[:, 0])
    assert report["losses/policy_loss"].isnan().tolist() == [False, True]


@pytest.mark.parametrize(("valid_rows", "steps"), [(0, 0), (1, 0), (2, 1)])
def test_a_minibatch_of_fewer_than_two_valid_rows_makes_no_step(valid_rows, steps, configure):
    ppo = agent(DISCRETE, configure(algo__minibatches=1))
    before, data = parameters(ppo).clone(), rollout(DISCRETE, [0])
    data.valid[:] = False
    data.valid[:valid_rows, 0, 0] = True
    _, finite = ppo.update(data, orders([0], epochs=1), schedule_values(1), active(1))
    assert finite.all()
    assert torch.equal(parameters(ppo), before) == (steps == 0)
    for group in ("actor", "critic"):
        assert ppo.state_dict()[group]["beta1_power"].item() == 0.9**steps


def test_such_a_minibatch_is_skipped_by_that_member_alone(configure):
    # minibatch 0 holds one valid row of member 1: as if member 1 had trained on minibatch 1 alone
    configs = [configure(seed=s, algo__minibatches=2) for s in (0, 1)]
    ppo, full = agent(DISCRETE, *configs), agent(DISCRETE, *configs)
    order = torch.arange(64).expand(1, 2, 64)
    data = rollout(DISCRETE, [0, 1])
    full.update(data, order, schedule_values(2), active(2))
    data.valid[:16, 1] = False
    data.valid[0, 1, 0] = True
    ppo.update(data, order, schedule_values(2), active(2))
    assert bits(ppo, 0) == bits(full, 0)
    assert ppo.state_dict()["actor"]["beta1_power"].flatten().tolist() == [0.9 * 0.9, 0.9]


def test_observation_moments_are_frozen_within_an_iteration(configure):
    # before anything is merged they are the identity, so the first update is that of an agent without them
    plain, normalising = agent(DISCRETE, configure()), agent(DISCRETE, configure(normalize__obs=True))
    data = rollout(DISCRETE, [0])
    for ppo in (plain, normalising):
        ppo.update(data, orders([0]), schedule_values(1), active(1))
    assert torch.equal(parameters(plain), parameters(normalising))
    moments = normalising.state_dict()["obs_moments"]
    rows = data.obs[:-1][data.valid][:, :5].double()
    assert moments["count"].item() == len(rows)
    torch.testing.assert_close(moments["mean"][0, :5], rows.mean(0))
    torch.testing.assert_close(moments["var"][0, :5], rows.var(0, correction=0))
    noise = torch.zeros(1, 2, 3)
    frozen = bits(normalising)
    normalising.act(data.obs[0], noise)
    assert bits(normalising) == frozen


def test_explained_variance(configure):
    # gamma 0: returns are the rewards 1, 2, 3, 4; a critic that passes the observations 1.5, 1.5, 3.5, 3.5 through
    # residuals -0.5, 0.5, -0.5, 0.5 have variance 0.25, the returns 1.25: 1 - 0.25 / 1.25 = 0.8
    spaces = Spaces(1, 2, continuous=False)
    ppo = agent(spaces, configure(algo__gamma=0.0, net__hidden=[4], net__activation="relu"))
    (critic,) = ppo.optimizer.param_groups[1]["params"]
    layers, _ = ppo.networks.shape.unpack(critic.detach().zero_())
    for weight, _ in layers:
        weight[0, 0, 0] = 1.0
    data = rollout(spaces, [0], steps=4, num_envs=1)
    data.obs[:4, 0, 0, 0] = torch.tensor([1.5, 1.5, 3.5, 3.5])
    data.rewards[:, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0])
    data.valid[:], data.done[:], data.terminated[:] = True, False, False
    report, _ = ppo.update(data, orders([0], rows=4), schedule_values(1, lr=0.0), active(1))
    assert report["losses/explained_variance"].item() == pytest.approx(0.8)


@EVERY_KIND
def test_every_member_alone_learns_the_same_bits(spaces, configure):
    def config(seed):
        options = {"normalize__obs": True, "normalize__reward": True}
        return configure(seed=seed, algo__gamma=0.9 + 0.03 * seed, algo__value_coef=0.5 + seed, **options)

    def learned(*seeds):
        ppo = agent(spaces, *map(config, seeds))
        for k in (0, 10):
            own = [seed + k for seed in seeds]
            report, _ = ppo.update(rollout(spaces, own), orders(own), schedule_values(len(seeds)), active(len(seeds)))
        tags = {tag: value.numpy().tobytes() for tag, value in report.items()}
        return [(bits(ppo, m), {tag: b[4 * m : 4 * m + 4] for tag, b in tags.items()}) for m in range(len(seeds))]

    alone = {seed: learned(seed)[0] for seed in (0, 1, 2)}
    assert learned(0, 1, 2) == [alone[s] for s in (0, 1, 2)]
    assert learned(2, 0) == [alone[s] for s in (2, 0)]
