"""Update geometry on the device against the NumPy reference."""

import numpy as np
import pytest
import torch
import update_paths

from rl_decay.ppo.update_path import BLOCK, UpdatePath, cosine


def test_by_hand():
    # from (3, 4), length 5, a step of (0, 1); then a step of (1, 1): cosine 1 / sqrt(2)
    before, after = torch.tensor([[3.0, 4.0]]), torch.tensor([[3.0, 5.0]])
    (rel_step,) = UpdatePath(before).add(before.clone(), after, torch.ones(1))["rel_step"]
    torch.testing.assert_close(rel_step, torch.tensor(0.2))
    torch.testing.assert_close(cosine(torch.tensor([[1.0, 1.0]]), after - before), torch.tensor([0.5**0.5]))
    assert cosine(torch.zeros(1, 2), after - before).isnan().all()
    (rel_step,) = UpdatePath(before).add(torch.zeros(1, 2), after, torch.ones(1))["rel_step"]
    assert rel_step.isinf()


def walk(updates, rates, seed=0):
    """Positions [2, K+1, 7] of two rows, and what `UpdatePath` says of each update; rates [K]."""
    generator = torch.Generator().manual_seed(seed)
    positions = [torch.randn(2, 7, generator=generator)]
    path, reports = UpdatePath(positions[0]), []
    for k in range(updates):
        after = positions[-1] + rates[k] * torch.randn(2, 7, generator=generator)
        reports.append(path.add(positions[-1].clone(), after, torch.full((2,), rates[k])))
        positions.append(after)
    columns = {name: torch.stack([r[name] for r in reports], 1).double().numpy() for name in reports[0]}
    return torch.stack(positions, 1).double().numpy(), columns


def test_blocks_are_those_of_the_reference_whatever_the_rate():
    rates = np.linspace(1.0, 0.1, 2 * BLOCK)
    theta, columns = walk(2 * BLOCK, rates)
    assert np.isfinite(columns["straightness"]).nonzero()[1].tolist() == [BLOCK - 1, 2 * BLOCK - 1] * 2
    even = np.concatenate([np.zeros_like(theta[:, :1]), np.cumsum(np.diff(theta, axis=1) / rates[:, None], 1)], 1)
    for end in (BLOCK, 2 * BLOCK):
        block = even[:, end - BLOCK : end + 1]
        np.testing.assert_allclose(columns["straightness"][:, end - 1], update_paths.straightness(block), rtol=1e-4)
        cosines = theta[:, max(end - BLOCK - 1, 0) : end + 1]  # the first of a block looks back at the block before
        share = update_paths.negative_cosine_share(cosines)
        np.testing.assert_allclose(columns["frac_neg_cos"][:, end - 1], share, rtol=1e-6)


def test_a_straight_path_a_bouncing_one_and_none():
    step = torch.tensor([[0.5, 0.0], [0.5, 0.0], [0.0, 0.0]])
    path, at, rates = UpdatePath(torch.zeros(3, 2)), torch.ones(3, 2), torch.tensor([0.1, 0.1, 0.0])
    report = {}
    for k in range(BLOCK):  # an even number of steps to and fro ends where it began
        move = step * torch.tensor([[1.0], [(-1.0) ** k], [1.0]])
        report = path.add(at.clone(), at + move, rates)
        at = at + move
    assert report["straightness"].tolist()[:2] == pytest.approx([1, 0], abs=1e-6)
    assert report["frac_neg_cos"].tolist()[:2] == [0, 1]
    assert report["straightness"][2].isnan() and report["frac_neg_cos"][2].isnan()


def test_the_state_continues_the_path():
    rates = [0.1] * BLOCK
    _, uninterrupted = walk(BLOCK, rates)
    generator = torch.Generator().manual_seed(0)
    at = torch.randn(2, 7, generator=generator)
    path, report = UpdatePath(at), {}
    for k in range(BLOCK):
        if k == 20:
            state = {name: value.clone() for name, value in path.state_dict().items()}
            path = UpdatePath(torch.zeros(2, 7))
            path.load_state_dict(state)
        after = at + rates[k] * torch.randn(2, 7, generator=generator)
        report = path.add(at.clone(), after, torch.full((2,), rates[k]))
        at = after
    for name in ("straightness", "frac_neg_cos", "cos_prev"):
        np.testing.assert_array_equal(report[name].double().numpy(), uninterrupted[name][:, -1])
