"""Update geometry on the device against the NumPy reference, and how far a policy moved, by hand."""

import math

import numpy as np
import pytest
import torch
import update_paths

from rl_decay.ppo.distributions import Categorical, DiagGaussian
from rl_decay.ppo.update_monitor import BLOCK, UpdatePath, churn, cosine, kl_from, relative_step
from rl_decay.types import Spaces


def test_by_hand():
    # from (3, 4), length 5, a step of (0, 1); then a step of (1, 1): cosine 1 / sqrt(2)
    before, after = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 5.0]])
    torch.testing.assert_close(relative_step(before, after), torch.tensor([0.2]))
    torch.testing.assert_close(cosine(torch.tensor([[1.0, 1.0]]), after - before), torch.tensor([0.5**0.5]))
    assert cosine(torch.zeros(1, 2), after - before).isnan().all()
    assert not relative_step(torch.zeros(1, 2), after).isfinite().any()


def test_kl_counts_valid_rows_only():
    # r = 2 and r = 1/2: (1 - log 2) and (-1/2 + log 2), mean 1/4; the third row is a filler
    old = torch.zeros(1, 3)
    new = torch.tensor([[math.log(2), -math.log(2), 9.0]])
    torch.testing.assert_close(kl_from(old, new, torch.tensor([[1.0, 1.0, 0.0]])), torch.tensor([0.25]))
    assert kl_from(old, old, torch.ones(1, 3)).item() == 0


def test_churn_of_a_discrete_policy_is_the_share_of_changed_actions():
    old = Categorical(torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [2.0, 1.0]]]))
    new = Categorical(torch.tensor([[[0.0, 1.0], [3.0, 0.0], [0.0, 1.0], [2.0, 1.5]]]))
    assert churn(old, new).tolist() == [0.25]


def test_churn_of_a_continuous_policy_is_in_standard_deviations():
    # moves of 1 and 3 at a standard deviation of 2: (0.5 + 1.5) / 2
    log_std = torch.tensor([[math.log(2.0)]])
    old = DiagGaussian(torch.zeros(1, 2, 1), log_std)
    new = DiagGaussian(torch.tensor([[[1.0], [-3.0]]]), torch.zeros(1, 1))
    torch.testing.assert_close(churn(old, new), torch.tensor([1.0]))


def walk(updates, rates, seed=0):
    """Positions [2, K+1, 7] of two rows, and what `UpdatePath` says of each update; rates [K]."""
    generator = torch.Generator().manual_seed(seed)
    positions = [torch.randn(2, 7, generator=generator)]
    path, reports = UpdatePath(positions[0]), []
    for k in range(updates):
        after = positions[-1] + rates[k] * torch.randn(2, 7, generator=generator)
        reports.append(path.add(positions[-1], after, torch.full((2,), rates[k])))
        positions.append(after)
    found = {name: torch.stack([r[name] for r in reports], 1).double().numpy() for name in reports[0]}
    return torch.stack(positions, 1).double().numpy(), found


def test_blocks_are_those_of_the_reference_whatever_the_rate():
    rates = np.linspace(1.0, 0.1, 2 * BLOCK)
    theta, found = walk(2 * BLOCK, rates)
    assert np.isfinite(found["straightness"]).nonzero()[1].tolist() == [BLOCK - 1, 2 * BLOCK - 1] * 2
    even = np.concatenate([np.zeros_like(theta[:, :1]), np.cumsum(np.diff(theta, axis=1) / rates[:, None], 1)], 1)
    for end in (BLOCK, 2 * BLOCK):
        block = even[:, end - BLOCK : end + 1]
        np.testing.assert_allclose(found["straightness"][:, end - 1], update_paths.straightness(block), rtol=1e-4)
        cosines = theta[:, max(end - BLOCK - 1, 0) : end + 1]  # the first of a block looks back at the block before
        share = update_paths.negative_cosine_share(cosines)
        np.testing.assert_allclose(found["frac_neg_cos"][:, end - 1], share, rtol=1e-6)


def test_a_straight_path_a_bouncing_one_and_none():
    step = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]])
    path, at, rates = UpdatePath(torch.zeros(3, 2)), torch.ones(3, 2), torch.tensor([0.1, 0.1, 0.0])
    report = {}
    for k in range(BLOCK):  # an even number of steps to and fro ends where it began
        move = step * torch.tensor([[1.0], [(-1.0) ** k], [1.0]])
        report = path.add(at, at + move, rates)
        at = at + move
    assert report["straightness"].tolist()[:2] == pytest.approx([1, 0], abs=1e-6)
    assert report["frac_neg_cos"].tolist()[:2] == [0, 1]
    assert report["straightness"][2].isnan() and report["frac_neg_cos"][2].isnan()


def test_the_state_continues_the_path():
    rates = [0.1] * BLOCK
    _, whole = walk(BLOCK, rates)
    generator = torch.Generator().manual_seed(0)
    at = torch.randn(2, 7, generator=generator)
    path, report = UpdatePath(at), {}
    for k in range(BLOCK):
        if k == 20:
            state = {name: value.clone() for name, value in path.state_dict().items()}
            path = UpdatePath(torch.zeros(2, 7))
            path.load_state_dict(state)
        after = at + rates[k] * torch.randn(2, 7, generator=generator)
        report = path.add(at, after, torch.full((2,), rates[k]))
        at = after
    for name in ("straightness", "frac_neg_cos", "cos_prev"):
        np.testing.assert_array_equal(report[name].double().numpy(), whole[name][:, -1])


def test_the_report_is_the_geometry_of_the_path(agent, rollout, orders, rates, configure):
    spaces, seeds, groups = Spaces(5, 2, continuous=True), [0, 1], ("actor", "critic")
    ppo = agent(spaces, *(configure(seed=s) for s in seeds))
    paths = {group: [ppo.state_dict()[group]["parameters"].double().clone()] for group in groups}
    cosines = {group: [] for group in groups}
    for k in range(4):
        own = [s + 10 * k for s in seeds]
        report = ppo.update(rollout(spaces, own), orders(own), rates(2))
        for group in groups:
            paths[group].append(ppo.state_dict()[group]["parameters"].double().clone())
            cosines[group].append(report[f"update/{group}/cos_prev"])
            step = (paths[group][-1] - paths[group][-2]).norm(dim=1) / paths[group][-2].norm(dim=1)
            torch.testing.assert_close(report[f"update/{group}/rel_step"].double(), step, rtol=1e-4, atol=0)
    for group in groups:
        theta = torch.stack(paths[group], 1).numpy()  # [M, K, P]
        found = torch.stack(cosines[group], 1).numpy()
        assert np.isnan(found[:, 0]).all()  # the first update has no predecessor
        np.testing.assert_allclose(found[:, 1:], update_paths.update_cosines(theta), atol=1e-4)


@pytest.mark.parametrize("continuous", [False, True])
def test_kl_is_measured_against_the_rate(agent, rollout, orders, rates, configure, continuous):
    spaces = Spaces(5, 2, continuous)
    lr = 1e-3
    ppo = agent(spaces, configure(seed=0, actor__lr=lr))
    used = rates(1)
    used["actor"] = torch.full_like(used["actor"], lr / 2)
    report = ppo.update(rollout(spaces, [0]), orders([0]), used)
    kl = report["update/kl_post"]
    assert kl.item() > 0
    torch.testing.assert_close(report["update/kl_over_lr2"], kl * 4)  # (1/2)^2
    assert report["update/churn"].item() >= 0
    used["actor"] = torch.zeros_like(used["actor"])
    report = ppo.update(rollout(spaces, [1]), orders([1]), used)
    assert report["update/kl_post"].item() == pytest.approx(0, abs=1e-6)
    assert report["update/kl_over_lr2"].isnan().all()
    assert report["update/churn"].item() == 0
