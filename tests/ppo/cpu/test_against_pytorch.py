"""Acting and learning on the CPU against the same in PyTorch operations, for every option."""

import pytest
import torch
from agents import agent, bits, orders, rollout, schedule_values
from members import active

from rl_decay.ppo.cpu import epochs
from rl_decay.ppo.epochs import Limits, TensorEpochs
from rl_decay.types import Spaces

SPACES = {
    "discrete": Spaces(5, 3, continuous=False),
    "continuous": Spaces(5, 2, continuous=True),
    "components": Spaces(5, 12, continuous=False, nvec=(3, 2, 2, 5)),
}
OPTIONS = {
    "default": {},
    "relu, value clipping": {"net__activation": "relu", "algo__value_clip": 0.2},
    "joint clipping": {"algo__grad_clip": "joint", "algo__max_grad_norm": 0.05},
    "no clipping": {"algo__max_grad_norm": None},
    "target KL": {"algo__target_kl": 1e-4},
    "normalisation, unequal layers": {"normalize__obs": True, "normalize__reward": True, "net__hidden": [9, 17, 6]},
    "one minibatch": {"algo__minibatches": 1},
}
SEEDS = [0, 1, 2]
LR = 3e-3
EVERY_SPACE = pytest.mark.parametrize("spaces", SPACES.values(), ids=SPACES)


def in_pytorch(ppo, configs):
    """Let an agent on the CPU act and learn as one on another device does."""
    infinite = float("inf")
    norms = torch.tensor([infinite if c.algo.max_grad_norm is None else c.algo.max_grad_norm for c in configs])
    target_kl = torch.tensor([infinite if c.algo.target_kl is None else c.algo.target_kl for c in configs])
    ppo._epochs = TensorEpochs(ppo.networks, ppo.optimizer, Limits(norms, target_kl), ppo.algo, "none")
    ppo._array_actor = None
    return ppo


def leaves(state):
    for value in state.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield value.double()


@EVERY_SPACE
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_an_update_is_the_same_but_for_rounding(spaces, options, configure):
    configs = [configure(seed=seed, **options) for seed in SEEDS]
    ours, theirs = agent(spaces, *configs), in_pytorch(agent(spaces, *configs), configs)
    data, order = rollout(spaces, SEEDS), orders(SEEDS)
    for _ in range(2):
        report, finite = ours.update(data, order, schedule_values(3, lr=LR), active(3))
        expected, expected_finite = theirs.update(data, order, schedule_values(3, lr=LR), active(3))
        assert torch.equal(finite, expected_finite)
        assert report.keys() == expected.keys()
        for tag, value in expected.items():
            torch.testing.assert_close(report[tag], value, rtol=1e-3, atol=1e-5, equal_nan=True, msg=tag)
        for own, other in zip(leaves(ours.state_dict()), leaves(theirs.state_dict()), strict=True):
            # Adam divides a gradient by its own size, so where that is next to nothing a rounding shows in the step.
            torch.testing.assert_close(own, other, rtol=1e-3, atol=LR / 10)
            assert (own - other).abs().mean() <= 1e-6 * (1 + other.abs().mean())


@pytest.mark.parametrize("spaces", [*SPACES.values(), Spaces(5, 17, continuous=True)], ids=[*SPACES, "many actions"])
def test_members_may_be_stepped_in_any_groups(spaces, configure, monkeypatch):
    learned = []
    for group_bytes in (1, 40_000, epochs.GROUP_BYTES):
        monkeypatch.setattr(epochs, "GROUP_BYTES", group_bytes)
        ppo = agent(spaces, *[configure(seed=seed) for seed in range(5)])
        mask = torch.tensor([True, False, True, True, True])
        report, _ = ppo.update(rollout(spaces, range(5)), orders(range(5)), schedule_values(5), mask)
        learned.append((bits(ppo), {tag: value.numpy().tobytes() for tag, value in report.items()}))
    assert learned[0] == learned[1] == learned[2]


@EVERY_SPACE
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_actions_are_the_same_to_the_bit(spaces, normalize, noisy, configure):
    configs = [configure(seed=seed, normalize__obs=normalize) for seed in SEEDS]
    ours, theirs = agent(spaces, *configs), in_pytorch(agent(spaces, *configs), configs)
    data = rollout(spaces, SEEDS)
    for ppo in (ours, theirs):
        ppo.obs_moments and ppo.obs_moments.merge(data.obs[0], torch.ones(3, 2))
    noise = torch.randn(3, 2, spaces.num_actions) if noisy else None
    for obs in data.obs:
        assert torch.equal(ours.act(obs, noise), theirs.act(obs, noise))
