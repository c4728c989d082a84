"""Update geometry on the device against the NumPy reference."""

import numpy as np
import torch

from rl_decay import metrics
from rl_decay.ppo.geometry import cosine, relative_step
from rl_decay.types import Spaces


def test_by_hand():
    # from (3, 4), length 5, a step of (0, 1); then a step of (1, 1): cosine 1 / sqrt(2)
    before, after = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 5.0]])
    torch.testing.assert_close(relative_step(before, after), torch.tensor([0.2]))
    torch.testing.assert_close(cosine(torch.tensor([[1.0, 1.0]]), after - before), torch.tensor([0.5**0.5]))
    assert cosine(torch.zeros(1, 2), after - before).isnan().all()
    assert not relative_step(torch.zeros(1, 2), after).isfinite().any()


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
        np.testing.assert_allclose(found[:, 1:], metrics.update_cosines(theta), atol=1e-4)
