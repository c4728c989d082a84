"""Learning is the acceptance test: every row of the README's table, trained anew over five seeds (minutes each)."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

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
def test_it_learns(name):
    row = returns.measure(name, seeds=5)
    assert sum(row["training"]) / 5 >= LEAST[name], row


def test_the_default_solves_cartpole_for_every_seed():
    row = returns.measure("cartpole", seeds=5)
    assert min(row["evaluation"]) >= 475, row
