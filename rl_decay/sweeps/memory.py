"""How much memory a population is expected to take."""

from __future__ import annotations

from rl_decay.config.schema import Config

PROCESS_MB = 330  # Python with PyTorch and Gymnasium
ENVIRONMENT_KB = 60  # a classic-control task
FLOATS_PER_WIDTH = 10  # forward, backward and their temporaries, per row and unit


def megabytes(config: Config, members: int) -> float:
    """Estimated peak of one population in its own process, in MB; a rough guide, within a factor of two.

    Counts the process itself, the environments of training and evaluation, the activations of the batched pass over a
    rollout (its largest tensors), and nothing for the parameters, which are far smaller.
    """
    rows = config.env.num_envs * (config.algo.num_steps + 1)
    units = 2 * sum(config.net.hidden) + 64
    activations = 4 * FLOATS_PER_WIDTH * rows * units / 1e6
    environments = ENVIRONMENT_KB * (config.env.num_envs + config.evaluation.episodes) / 1e3
    return PROCESS_MB + members * (activations + environments)
