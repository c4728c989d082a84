"""Runs and comparisons for tests of single steps of a comparison: every field has a value, a test names its own."""

from pathlib import Path

import numpy as np

from rl_decay.compare.model import Comparison, Run


def run(**values):
    """A finished run on CartPole-v1 that scores 1 at 100 and 200 env steps."""
    fields = {
        "folder": Path("run"),
        "task": "CartPole-v1",
        "seed": 0,
        "config": {},
        "status": "finished",
        "total_steps": 200,
        "unit": "score",
        "steps": np.array([100.0, 200.0]),
        "scores": np.ones(2),
        "rates": {},
        "versions": {},
        "overrides": (),
        "source": "rl_decay",
        "notes": (),
        "kind": "evaluation",
        "identity": {},
        "protocol": {},
        "constant": False,
        "started_by": "train.py",
        "metrics": {},
    }
    return Run(**(fields | values))


def comparison(**values):
    """A comparison of nothing with the baseline `none`."""
    fields = {"tasks": ("CartPole-v1",), "unit": "score", "arms": (), "baseline": "none", "estimates": {}}
    fields |= {"contrasts": (), "exploratory": (), "differences": {}, "curves": {}, "across": {}}
    return Comparison(**(fields | values))
