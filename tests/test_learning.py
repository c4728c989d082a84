"""Learning is the acceptance test: every row of the README's table, trained anew over five seeds (minutes each)."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from rl_decay.runs import layout, tables

returns = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "returns.py")))

pytestmark = pytest.mark.slow
LEAST = {  # mean over seeds of the mean return of the last 100 training episodes
    "cartpole-cleanrl": 470,
    "acrobot-cleanrl": -95,
    "pendulum": -250,
    "mountain-car-continuous": 88,
    "mountain-car": -140,
}


@pytest.mark.parametrize("name", LEAST)
def test_it_learns(name, tmp_path):
    row = returns.measure(name, tmp_path)
    assert sum(row["training"]) / 5 >= LEAST[name], row


def test_the_default_solves_cartpole_for_every_seed(tmp_path):
    row = returns.measure("cartpole", tmp_path)
    assert min(row["evaluation"]) >= 475, row


@pytest.mark.parametrize(
    "task", [("nested", "dials"), ("nested", "button"), ("tuple", "matrix"), ("lamps", "switches")]
)
def test_parts_of_an_observation_are_read_and_every_component_of_an_action_is_learned(task, configure, train):
    """The panel shows what to do; a policy that guesses gets 0.27 to 0.5 a step, one that reads it gets 1."""
    obs, action = task
    configs = []
    for seed in range(3):
        values = {"env__id": "tests/Panel-v0", "env__kwargs": {"obs": obs, "action": action}, "seed": seed}
        sizes = {"env__num_envs": 8, "algo__num_steps": 128, "algo__epochs": 4, "algo__minibatches": 4}
        # What is shown next depends on no action, so a long horizon would be noise.
        rates = {"actor__lr": 3e-3, "critic__lr": 3e-3, "algo__gamma": 0.5, "evaluation__episodes": 20}
        configs.append(configure(**values, **sizes, **rates, total_steps=60 * 1024))
    for result in train(*configs):
        evaluations = tables.read(result.folder / layout.EVALUATIONS_CSV)
        per_step = evaluations["return_mean"][-1] / evaluations["episode_length"][-1]
        assert per_step >= 0.98
