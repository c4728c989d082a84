"""How much memory training is going to need, from its configuration alone: an estimate, within a factor of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

from rl_decay.config.schema import Config, flat, unflat
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.types import Spaces, aligned

BYTES_PER_PROCESS = 330_000_000  # of Python with PyTorch and Gymnasium
BYTES_PER_FLOAT = 4
BYTES_PER_INDEX = 8  # of a row in a permutation
# The counts below belong to ppo/ and training/: whoever adds a buffer there counts it here.
PARAMETER_BUFFERS = 10  # parameters, Adam's moments, the update's path and gradient, and their temporaries
CHECKPOINT_COPIES = 12  # of one member's buffers while its checkpoint is made
BYTES_PER_RUN = 100_000  # of its files in memory
# Of a light task; async copies are processes, a batched slot is a generator. What auto means is known once the task is.
BYTES_PER_COPY = {"auto": 10_000, "sync": 10_000, "async": 5_000_000, "batched": 2_000}
BYTES_PER_EVALUATION = 300  # in the lists of the plan, and in those of a member's history
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
    """Bytes of a population's parts at their peak, `BYTES_PER_PROCESS` aside.

    Plain arithmetic, for which no value is too large. The actions of a segment, which a checkpoint holds, are left out:
    they grow with time, and a run may be long.
    """
    rows = config.env.num_envs * config.algo.num_steps  # of one member's rollout
    obs = aligned(spaces.obs_size)
    actions = spaces.num_actions
    widths = [aligned(width) for width in (spaces.obs_size, *config.net.hidden, spaces.num_actions)]
    parameters = 2 * sum((inputs + 1) * outputs for inputs, outputs in pairwise(widths))  # 2: actor and critic
    # Values and log-probabilities of a whole rollout are computed without gradients, so that only two layers' outputs
    # exist at a time; a minibatch keeps the outputs and the gradients of all layers.
    whole_pass = sum(sorted(widths)[-2:])
    minibatch_pass = 2 * sum(widths) // config.algo.minibatches
    # Observations, actions and scalars, with all their copies; a component of an action is a number of 8 bytes.
    floats_per_step = 6 * obs + 4 * actions + 10 * len(spaces.nvec) + 25
    parameter_copies = PARAMETER_BUFFERS * members + CHECKPOINT_COPIES
    task_copies = config.env.num_envs + config.evaluation.episodes
    return {
        "parameters": parameters * parameter_copies * BYTES_PER_FLOAT,
        "rollout": members * (rows + config.env.num_envs) * BYTES_PER_FLOAT * floats_per_step,
        "permutations": members * rows * BYTES_PER_INDEX * config.algo.epochs,
        "update": members * rows * BYTES_PER_FLOAT * 2 * max(whole_pass, minibatch_pass),
        "environments": members * task_copies * (BYTES_PER_COPY[config.vec] + 8 * BYTES_PER_FLOAT * obs),
        "files": members * BYTES_PER_RUN,
        "evaluations": most_points(config) * BYTES_PER_EVALUATION * (1 + members),
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
