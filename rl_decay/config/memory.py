"""How much memory training is going to need, from its configuration alone: an estimate, within a factor of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from rl_decay.config.schema import Config, flat, unflat
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.types import Spaces, aligned

PROCESS = 330_000_000  # bytes of Python with PyTorch and Gymnasium
FLOAT = 4  # bytes of a float32
INDEX = 8  # bytes of a row's number in a permutation
# The counts below belong to ppo/ and training/: whoever adds a buffer there counts it here.
BUFFERS = 10  # parameters, Adam's moments, the update's path and gradient, and their temporaries
SAVED = 12  # copies of one member's buffers while its checkpoint is made
MEMBER = 100_000  # bytes of a run's files in memory
# Bytes of a copy of a light task; async copies are processes, a batched slot is a generator. What auto means is known
# once the task is.
COPY = {"auto": 10_000, "sync": 10_000, "async": 5_000_000, "batched": 2_000}
POINT = 300  # bytes of an evaluation in the lists of the plan, and in those of a member's curve
ON_DEVICE = ("parameters", "rollout", "update")  # the parts that lie on the GPU where there is one
CAUSES = (  # the keys that can make a run large
    "env.num_envs",
    "algo.num_steps",
    "algo.epochs",
    "net.hidden",
    "evaluation.episodes",
    "evaluation.late",
    "evaluation.early",
)
OBSERVATIONS = "observations"  # causes that belong to the task, not to a key
ACTIONS = "actions"

Parts = dict[str, int]


def parts(config: Config, spaces: Spaces, members: int = 1) -> Parts:
    """Bytes of a population's parts at their peak, `PROCESS` aside. Plain arithmetic: no value is too large for it.

    The actions of a segment, which a checkpoint holds, are left out: they grow with time, and a run may be long.
    """
    rows = config.env.num_envs * config.algo.num_steps  # of one member's rollout
    obs = aligned(spaces.obs_size)
    actions = spaces.num_actions
    widths = [aligned(width) for width in (spaces.obs_size, *config.net.hidden, spaces.num_actions)]
    parameters = sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))
    # Values and log-probabilities of a whole rollout are computed without gradients, so that only two layers' outputs
    # exist at a time; a minibatch keeps the outputs and the gradients of all layers.
    whole_pass = sum(sorted(widths)[-2:])
    minibatch_pass = 2 * sum(widths) // config.algo.minibatches
    # Observations, actions and scalars, with all their copies; a component of an action is a number of 8 bytes.
    floats_per_step = 6 * obs + 4 * actions + 10 * len(spaces.nvec) + 25
    copies = config.env.num_envs + config.evaluation.episodes
    return {
        "parameters": 2 * parameters * FLOAT * (BUFFERS * members + SAVED),  # 2: actor and critic
        "rollout": members * (rows + config.env.num_envs) * FLOAT * floats_per_step,
        "permutations": members * rows * INDEX * config.algo.epochs,
        "update": members * rows * FLOAT * 2 * max(whole_pass, minibatch_pass),
        "environments": members * copies * (COPY[config.vec] + 8 * FLOAT * obs),
        "files": members * MEMBER,
        "evaluations": most_points(config) * POINT * (1 + members),
    }


def most_points(config: Config) -> int:
    """An upper bound of the number of evaluations; the plan itself would list every point to count them."""
    iterations = config.total_steps // (config.env.num_envs * config.algo.num_steps)
    late = min(config.evaluation.late, int(LATE_SHARE * iterations) + 2)
    return late + min(config.evaluation.early, iterations)


def on_host(estimate: Mapping[str, int], cuda: bool) -> int:
    """Bytes in the machine's own memory."""
    return sum(size for name, size in estimate.items() if not (cuda and name in ON_DEVICE))


def on_gpu(estimate: Mapping[str, int]) -> int:
    """Bytes on the GPU where training uses one."""
    return sum(estimate[name] for name in ON_DEVICE)


def cause(config: Config, spaces: Spaces) -> str:
    """Which choice takes most memory, in words: the key=value whose default would save most, or the task.

    The task is named if observations or actions as small as CartPole's would save more than any key's default.
    """
    values = flat(config)
    defaults = flat(Config())
    size_without = {}  # bytes that would be left without each cause
    for key in CAUSES:
        size_without[key] = _size(unflat(values | {key: defaults[key]}), spaces)
    size_without[OBSERVATIONS] = _size(config, replace(spaces, obs_size=4))
    size_without[ACTIONS] = _size(config, replace(spaces, num_actions=2, nvec=()))
    largest_cause = min(size_without, key=size_without.__getitem__)
    if largest_cause == OBSERVATIONS:
        return f"env.id={config.env.id}, whose observations are {spaces.obs_size:,} numbers each"
    if largest_cause == ACTIONS:
        words = "actions are {:,} numbers each" if spaces.continuous else "action is one of {:,}"
        if spaces.nvec:
            words = "actions have {:,} options in all"
        return f"env.id={config.env.id}, whose {words.format(spaces.num_actions)}"
    return f"{largest_cause}={values[largest_cause]}"


def _size(config: Config, spaces: Spaces) -> int:
    """Bytes of all parts of one run."""
    return sum(parts(config, spaces).values())


def in_words(size: int) -> str:
    """Bytes for a person.

    >>> in_words(3_200_000_000_000), in_words(23_400_000_000), in_words(999), in_words(10**40)
    ('3.2 TB', '23 GB', '1.0 KB', '1e+25 PB')
    """
    value = size / 1000
    # 999.5 and 9.95 are where rounding to no and to one decimal would reach the next unit and the next digit.
    for unit in ("KB", "MB", "GB", "TB"):
        if value < 999.5:
            return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:,.0f} PB" if value < 1e6 else f"{value:.0e} PB"
