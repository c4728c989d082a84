"""Score constants: the returns of a random and of a good policy on a task, so that tasks can share one axis.

    score = (return - random) / (reference - random)        0 = random policy, 1 = reference; above 1 is possible

The constants belong to the task, never to a run: normalising by the data under test would hide the very differences
that the metrics look for. `random` is the mean of 100 episodes of a uniformly random policy as published by SLM-Lab
(slm_lab/spec/_random_baseline.json), to two decimals. `reference` is the return at which Gymnasium calls the task
solved (its reward_threshold), unless a comment in TASKS names another source.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats


class Constants(NamedTuple):
    """The returns per episode that score 0 (random) and 1 (reference)."""

    random: float
    reference: float


TASKS = {
    "CartPole-v1": Constants(22.97, 500.0),  # the ceiling: one reward per step, 500 steps
    "Acrobot-v1": Constants(-499.86, -100.0),
    "MountainCar-v0": Constants(-200.0, -110.0),
    "MountainCarContinuous-v0": Constants(-33.44, 90.0),
    "Pendulum-v1": Constants(-1197.15, -172.0),  # PPO after 100k steps, RL Baselines3 Zoo benchmark
    "LunarLander-v3": Constants(-186.78, 200.0),
    "LunarLanderContinuous-v3": Constants(-215.93, 200.0),
    "BipedalWalker-v3": Constants(-102.69, 300.0),
    "HalfCheetah-v5": Constants(-281.76, 4800.0),
    "Hopper-v5": Constants(19.30, 3800.0),
    "Walker2d-v5": Constants(1.95, 4378.0),  # PPO after 10M steps, SLM-Lab benchmark
    "Ant-v5": Constants(-66.09, 6000.0),
    "Swimmer-v5": Constants(-1.15, 360.0),
    "Humanoid-v5": Constants(116.47, 2661.0),  # PPO after 10M steps, SLM-Lab benchmark
    "InvertedPendulum-v5": Constants(5.28, 950.0),
    "InvertedDoublePendulum-v5": Constants(47.60, 9100.0),
    "Reacher-v5": Constants(-43.19, -3.75),
}


def constants(env_id: str) -> Constants | None:
    """The score constants of a task, None if it has none; a module prefix ("module:Id-v0") is ignored."""
    return TASKS.get(env_id.rpartition(":")[2])


def scored_task(env_id: str, kwargs: Mapping[str, Any]) -> str:
    """The id under which to look up score constants: "", which has none, if arguments may change the task's returns."""
    return "" if kwargs else env_id


def unit(env_id: str) -> Literal["score", "return"]:
    """The unit of the result of `score`: "score" for a task with constants, else "return"."""
    return "return" if constants(env_id) is None else "score"


def score(env_id: str, returns: ArrayLike) -> Floats:
    """Normalised returns, or the raw ones of a task without constants (`unit` says which).

        (return - random) / (reference - random)

    returns: any shape, rewards per episode, undiscounted and unscaled -> the same shape.
    """
    anchors = constants(env_id) or Constants(0.0, 1.0)  # without constants the return itself
    above_random = np.asarray(returns, dtype=np.float64) - anchors.random
    return above_random / (anchors.reference - anchors.random)
