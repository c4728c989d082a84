"""What is known about tasks: their score constants, and the preset in conf/env that was tuned for them.

Score constants say what a random and what a good policy return on a task, so that tasks can share one axis.

    score = (return - random) / (reference - random)        0 = random policy, 1 = reference; above 1 is possible

The constants belong to the task, never to a run: normalising by the data under test would hide the very differences
that the metrics look for. `random` is the mean of 100 episodes of a uniformly random policy as published by SLM-Lab
(slm_lab/spec/_random_baseline.json), to two decimals, or as measured where its entry says so. `reference` is the return
at which Gymnasium calls the task solved; for CartPole and DeepMind Control the ceiling of the return; where Gymnasium
names no threshold, a published PPO result.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats

THRESHOLD = "Gymnasium reward_threshold"
CEILING = "ceiling: at most 1 per step, 1000 steps; random: 100 episodes, seeds 0-99, dm-control 1.0.41"
GENERIC = "generic"  # the preset for every task without one of its own


class Task(NamedTuple):
    """Returns per episode that score 0 and 1, where the second comes from, and the task's preset.

    preset: name of the file in conf/env, as in `env=cartpole`; None for a task without a preset of its own.
    """

    random: float
    reference: float
    source: str
    preset: str | None = None


TASKS: dict[str, Task] = {
    "CartPole-v1": Task(22.97, 500.0, "ceiling: one reward per step, 500 steps", preset="cartpole"),
    "Acrobot-v1": Task(-499.86, -100.0, THRESHOLD, preset="acrobot"),
    "MountainCar-v0": Task(-200.0, -110.0, THRESHOLD, preset="mountain_car"),
    "MountainCarContinuous-v0": Task(-33.44, 90.0, THRESHOLD, preset="mountain_car_continuous"),
    "Pendulum-v1": Task(-1197.15, -172.0, "PPO after 100k steps, RL Baselines3 Zoo benchmark", preset="pendulum"),
    "LunarLander-v3": Task(-186.78, 200.0, THRESHOLD, preset="lunar_lander"),
    "LunarLanderContinuous-v3": Task(-215.93, 200.0, THRESHOLD, preset="lunar_lander_continuous"),
    "BipedalWalker-v3": Task(-102.69, 300.0, THRESHOLD, preset="bipedal_walker"),
    "HalfCheetah-v5": Task(-281.76, 4800.0, THRESHOLD, preset="halfcheetah"),
    "Hopper-v5": Task(19.30, 3800.0, THRESHOLD, preset="hopper"),
    "Walker2d-v5": Task(1.95, 4378.0, "PPO after 10M steps, SLM-Lab benchmark", preset="walker2d"),
    "Ant-v5": Task(-66.09, 6000.0, THRESHOLD, preset="ant"),
    "Swimmer-v5": Task(-1.15, 360.0, THRESHOLD, preset="swimmer"),
    "Humanoid-v5": Task(116.47, 2661.0, "PPO after 10M steps, SLM-Lab benchmark", preset="humanoid"),
    "InvertedPendulum-v5": Task(5.28, 950.0, THRESHOLD, preset="inverted_pendulum"),
    "InvertedDoublePendulum-v5": Task(47.60, 9100.0, THRESHOLD, preset="inverted_double_pendulum"),
    "Pusher-v5": Task(-149.22, 0.0, THRESHOLD, preset="pusher"),  # random: 100 episodes, seeds 0-99, mujoco 3.8.1
    "Reacher-v5": Task(-43.19, -3.75, THRESHOLD, preset="reacher"),
    "dm_control/cartpole-swingup-v0": Task(26.43, 1000.0, CEILING, preset="dm_cartpole_swingup"),
    "dm_control/cheetah-run-v0": Task(3.58, 1000.0, CEILING, preset="dm_cheetah_run"),
    "dm_control/walker-walk-v0": Task(32.31, 1000.0, CEILING, preset="dm_walker_walk"),
    "dm_control/reacher-easy-v0": Task(54.70, 1000.0, CEILING, preset="dm_reacher_easy"),
    "dm_control/finger-spin-v0": Task(0.91, 1000.0, CEILING, preset="dm_finger_spin"),
}


def constants(env_id: str) -> Task | None:
    """The score constants of a task, None if it has none; a module prefix ("module:Id-v0") is ignored."""
    return TASKS.get(env_id.rpartition(":")[2])


def fitting_preset(env_id: str) -> str:
    """The preset that was tuned for a task, `generic` for a task without one; a module prefix is ignored.

    >>> fitting_preset("Pendulum-v1"), fitting_preset("my_package:MyEnv-v0"), fitting_preset("Pusher-v4")
    ('pendulum', 'generic', 'generic')
    """
    task = TASKS.get(env_id.rpartition(":")[2])
    return GENERIC if task is None or task.preset is None else task.preset


# Wrappers of Gymnasium that change observations or actions alone: rewards and lengths of episodes stay the task's own.
KEEP_RETURNS = frozenset(
    f"gymnasium.wrappers.{name}"
    for name in (
        *("DelayObservation", "DiscretizeObservation", "DtypeObservation", "FilterObservation", "FlattenObservation"),
        *("FrameStackObservation", "GrayscaleObservation", "RescaleObservation", "ReshapeObservation"),
        *("ResizeObservation", "TimeAwareObservation"),
        *("ClipAction", "DiscretizeAction", "RescaleAction"),
        *("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics"),
    )
)


def keep_returns(wrapper_paths: Iterable[str]) -> bool:
    """Whether wrappers, given by their import paths, are known to leave rewards and lengths of episodes alone."""
    return all(path in KEEP_RETURNS for path in wrapper_paths)


def scored_task(env_id: str, kwargs: Mapping[str, Any], wrapper_paths: Iterable[str] = ()) -> str:
    """The id to look up a task's score constants by; none where arguments or wrappers may change what it returns.

    >>> scored_task("Pendulum-v1", {}, ["gymnasium.wrappers.TimeAwareObservation"])
    'Pendulum-v1'
    >>> scored_task("Pendulum-v1", {}, ["gymnasium.wrappers.ClipReward"])
    ''
    """
    return env_id if not kwargs and keep_returns(wrapper_paths) else ""


def unit(env_id: str) -> Literal["score", "return"]:
    """What `score` yields for a task: "score" where it has constants, else "return"."""
    return "return" if constants(env_id) is None else "score"


def score(env_id: str, returns: ArrayLike) -> Floats:
    """Normalised returns, or the raw ones of a task without constants (`unit` says which).

        (return - random) / (reference - random)

    returns: any shape, rewards per episode, undiscounted and unscaled -> the same shape.
    """
    task = constants(env_id) or Task(0.0, 1.0, "no constants: the return itself")
    return (np.asarray(returns, dtype=np.float64) - task.random) / (task.reference - task.random)
