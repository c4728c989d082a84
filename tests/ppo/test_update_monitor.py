"""How far a policy moved, by hand, and the report of an update."""

import math

import numpy as np
import pytest
import torch
import update_paths
from agents import agent, orders, rollout, schedule_values
from members import active

from rl_decay.ppo.distributions import Categorical, DiagGaussian, MultiCategorical, blocks
from rl_decay.ppo.update_monitor import churn, kl_from
from rl_decay.types import Spaces


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


def test_churn_of_several_components_is_the_share_of_changed_components():
    # two observations of three components with options 2, 2 and 3; of six components two change
    old = torch.tensor([[[1.0, 0, 1, 0, 1, 0, 0], [1, 0, 0, 1, 0, 0, 1]]])
    new = torch.tensor([[[1.0, 0, 0, 1, 1, 0, 0], [1, 0, 0, 1, 0, 1, 0]]])
    policies = [MultiCategorical(logits, blocks((2, 2, 3))) for logits in (old, new)]
    torch.testing.assert_close(churn(*policies), torch.tensor([2 / 6]))


def test_churn_of_a_continuous_policy_is_in_standard_deviations():
    # moves of 1 and 3 at a standard deviation of 2: (0.5 + 1.5) / 2
    log_std = torch.tensor([[math.log(2.0)]])
    old = DiagGaussian(torch.zeros(1, 2, 1), log_std)
    new = DiagGaussian(torch.tensor([[[1.0], [-3.0]]]), torch.zeros(1, 1))
    torch.testing.assert_close(churn(old, new), torch.tensor([1.0]))


def test_the_report_is_the_geometry_of_the_path(configure):
    spaces, seeds, groups = Spaces(5, 2, continuous=True), [0, 1], ("actor", "critic")
    ppo = agent(spaces, *(configure(seed=s) for s in seeds))
    paths = {group: [ppo.state_dict()[group]["parameters"].double().clone()] for group in groups}
    cosines = {group: [] for group in groups}
    for k in range(4):
        own = [s + 10 * k for s in seeds]
        report, _ = ppo.update(rollout(spaces, own), orders(own), schedule_values(2), active(2))
        for group in groups:
            paths[group].append(ppo.state_dict()[group]["parameters"].double().clone())
            cosines[group].append(report[f"update/{group}/cos_prev"])
            step = (paths[group][-1] - paths[group][-2]).norm(dim=1) / paths[group][-2].norm(dim=1)
            torch.testing.assert_close(report[f"update/{group}/rel_step"].double(), step, rtol=1e-4, atol=0)
    for group in groups:
        theta = torch.stack(paths[group], 1).numpy()  # [M, K, P]
        measured_cosines = torch.stack(cosines[group], 1).numpy()
        assert np.isnan(measured_cosines[:, 0]).all()  # the first update has no predecessor
        np.testing.assert_allclose(measured_cosines[:, 1:], update_paths.update_cosines(theta), atol=1e-4)


@pytest.mark.parametrize("continuous", [False, True])
def test_kl_is_measured_against_the_rate(configure, continuous):
    spaces = Spaces(5, 2, continuous)
    lr = 1e-3
    ppo = agent(spaces, configure(seed=0, actor__lr=lr))
    used = schedule_values(1)
    used["actor"] = torch.full_like(used["actor"], lr / 2)
    report, _ = ppo.update(rollout(spaces, [0]), orders([0]), used, active(1))
    kl = report["update/kl_post"]
    assert kl.item() > 0
    torch.testing.assert_close(report["update/kl_over_lr2"], kl * 4)  # (1/2)^2
    assert report["update/churn"].item() >= 0
    used["actor"] = torch.zeros_like(used["actor"])
    report, _ = ppo.update(rollout(spaces, [1]), orders([1]), used, active(1))
    assert report["update/kl_post"].item() == pytest.approx(0, abs=1e-6)
    assert report["update/kl_over_lr2"].isnan().all()
    assert report["update/churn"].item() == 0
