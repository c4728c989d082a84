"""Generalised advantage estimation: values computed elsewhere, episodes taken one by one, members."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from rl_decay.ppo.advantages import gae

CASES = json.loads((Path(__file__).parents[1] / "data" / "metric_cases.json").read_text())["ppo_cases"]
FILLER_REWARD = -99.0  # a filler's numbers must reach nobody


def column(values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype).unsqueeze(-1)


def advantages(case, values, *, rewards, terminated, done):
    flags = column(terminated, torch.bool), column(done, torch.bool)
    return gae(column(rewards), column(values), *flags, gamma=case["gamma"], gae_lambda=case["lam"]).squeeze(-1)


def test_without_an_end():
    case = CASES["gae_no_end"]
    zeros = [0, 0, 0, 0]
    found = advantages(case, [*case["v"], case["next_value"]], rewards=case["r"], terminated=zeros, done=zeros)
    # the last one: 1 + 0.99 * 0.6 - 0.2 = 1.394; before it: 1 + 0.99 * 0.2 - 0.3 + 0.99 * 0.95 * 1.394 = 2.209057
    assert found[3].item() == pytest.approx(1.394)
    assert found[2].item() == pytest.approx(2.209057)
    np.testing.assert_allclose(found, case["adv"], rtol=1e-12)


@pytest.mark.parametrize(("name", "flag"), [("gae_terminated_at_1", "term"), ("gae_truncated_at_1", "trunc")])
def test_an_end_after_the_second_step(name, flag):
    # terminated: 1 - 0.4 = 0.6. Truncated: 1 + 0.99 V(final obs) - 0.4 = 1 + 0.99 * 0.7 - 0.4 = 1.293
    case = CASES[name]
    v = case["v"]
    values = [v[0], v[1], case.get("v_final_obs", 77.0), v[2], v[3], case["next_value"]]  # row 2 is the filler
    end = [0, 1, 0, 0, 0]
    found = advantages(
        case,
        values,
        rewards=[1, 1, FILLER_REWARD, 1, 1],
        terminated=end if flag == "term" else [0] * 5,
        done=end,
    )
    np.testing.assert_allclose(found[[0, 1, 3, 4]], case["adv"], rtol=1e-12)


def alone(rewards, values, terminated, gamma, lam):
    """One episode by the definition, sum over l of (gamma lambda)^l delta_{t+l}: no recursion."""
    following = np.append(values[1:-1], 0.0 if terminated else values[-1])
    deltas = rewards + gamma * following - values[:-1]
    powers = (gamma * lam) ** np.arange(len(deltas))
    return np.array([(deltas[t:] * powers[: len(deltas) - t]).sum() for t in range(len(deltas))])


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_with_fillers_equals_its_episodes_taken_one_by_one(seed):
    rng = np.random.default_rng(seed)
    gamma, lam = rng.uniform(0.8, 1.0, 2)
    rewards, values, terminated, done, expected = [], [], [], [], []
    for _ in range(6):
        length, ends_terminated = rng.integers(1, 9), bool(rng.integers(2))
        r, v = rng.normal(size=length), rng.normal(size=length + 1)
        expected += [*alone(r, v, ends_terminated, gamma, lam), np.nan]  # NaN: the filler, compared with nothing
        rewards += [*r, FILLER_REWARD]
        values += [*v]
        terminated += [False] * (length - 1) + [ends_terminated, False]
        done += [False] * (length - 1) + [True, False]
    values.append(5.0)  # the reset observation after the last filler
    flags = column(terminated, torch.bool), column(done, torch.bool)
    found = gae(column(rewards), column(values), *flags, gamma=gamma, gae_lambda=lam).squeeze(-1).numpy()
    real = ~np.isnan(expected)
    np.testing.assert_allclose(found[real], np.array(expected)[real], rtol=0, atol=1e-12)


def test_each_member_alone_gives_the_same_bits():
    g = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(20, 4, 3, generator=g), torch.randn(21, 4, 3, generator=g)
    done = torch.rand(20, 4, 3, generator=g) < 0.2
    terminated = done & (torch.rand(20, 4, 3, generator=g) < 0.5)
    gamma, lam = torch.tensor([[0.9], [0.95], [0.99], [1.0]]), torch.tensor([[0.0], [0.5], [0.95], [1.0]])
    together = gae(rewards, values, terminated, done, gamma=gamma, gae_lambda=lam)
    for m in range(4):
        one = slice(m, m + 1)
        parts = (x[:, one] for x in (rewards, values, terminated, done))
        assert torch.equal(gae(*parts, gamma=gamma[one], gae_lambda=lam[one]), together[:, one])


def test_lambda_one_is_return_minus_value_and_lambda_zero_the_td_error():
    # rewards 1, 2, then terminated: returns 1 + 0.5 * 2 = 2 and 2; values 0.25 and 0.5
    args = column([1, 2]), column([0.25, 0.5, 9]), column([0, 1], torch.bool), column([0, 1], torch.bool)
    assert gae(*args, gamma=0.5, gae_lambda=1.0).squeeze().tolist() == [1.75, 1.5]
    # 1 + 0.5 * 0.5 - 0.25 = 1 and 2 - 0.5 = 1.5
    assert gae(*args, gamma=0.5, gae_lambda=0.0).squeeze().tolist() == [1.0, 1.5]
