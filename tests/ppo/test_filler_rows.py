"""The row after an episode's end belongs to no episode: whatever it holds, learning is the same."""

import pytest
import torch
from agents import agent, bits, orders, rollout, schedule_values
from members import active

from rl_decay.types import Spaces

DISCRETE, CONTINUOUS = Spaces(5, 3, continuous=False), Spaces(5, 2, continuous=True)
COMPONENTS = Spaces(5, 7, continuous=False, nvec=(3, 2, 2))


@pytest.mark.parametrize("spaces", [DISCRETE, CONTINUOUS, COMPONENTS], ids=["discrete", "continuous", "components"])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("garbage", [1e30, -1e30])
def test_garbage_in_fillers_changes_no_bit(spaces, normalize, garbage, configure):
    options = {"normalize__obs": normalize, "normalize__reward": normalize, "algo__target_kl": 0.05}
    configs = [configure(seed=seed, **options) for seed in (0, 1)]
    results = []
    for spoil in (False, True):
        ppo, data = agent(spaces, *configs), rollout(spaces, [0, 1])
        assert not data.valid.all()
        if spoil:
            data.rewards[~data.valid] = garbage
            data.actions[~data.valid] = garbage if spaces.continuous else int(1e15)
        for _ in range(2):  # the second one sees what the first one left in the moments
            report, _ = ppo.update(data, orders([0, 1]), schedule_values(2), active(2))
        results.append((bits(ppo), {tag: value.numpy().tobytes() for tag, value in report.items()}))
    assert results[0] == results[1]


def test_a_final_observation_is_no_garbage(configure):
    # the observation of a filler row is the one its episode ended in: after a truncation its value counts
    data = rollout(DISCRETE, [0])
    truncated = (data.done & ~data.terminated)[:-1].nonzero()[0]
    plain, moved = agent(DISCRETE, configure()), agent(DISCRETE, configure())
    plain.update(data, orders([0]), schedule_values(1), active(1))
    data.obs[truncated[0] + 1, 0, truncated[2]] += 1.0
    moved.update(data, orders([0]), schedule_values(1), active(1))
    assert torch.isfinite(moved.state_dict()["critic"]["parameters"]).all()
    assert bits(plain) != bits(moved)
