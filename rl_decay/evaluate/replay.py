"""Repeat the evaluations of a run with its trained policy."""

from __future__ import annotations

from contextlib import closing

import torch

from rl_decay.config import memory
from rl_decay.config.plan import recorded_cap
from rl_decay.envs.backends import AUTO, back_end_of, make_vec_env
from rl_decay.envs.examine import examine
from rl_decay.envs.generators import preserved_generators
from rl_decay.errors import one_line
from rl_decay.evaluate.policy import Policy
from rl_decay.rng import evaluation_seeds
from rl_decay.training.device import free_memory, refuse_beyond
from rl_decay.training.evaluation import Evaluation, evaluate


def replay(policy: Policy, episodes: int | None = None) -> Evaluation:
    """Evaluate a policy on the reset seeds of its own run's evaluations; by default on as many episodes as the run's.

    UserError if so many episodes need more memory than there is: each has an environment of its own.
    """
    count = episodes or policy.config["evaluation.episodes"]
    recorded = policy.config["vec"]
    # A record of batched is played as auto: this may be another Gymnasium, and there is no key to change here.
    vec = back_end_of(policy.env, AUTO if recorded == "batched" else recorded)
    needed = count * memory.BYTES_PER_COPY[vec]
    refuse_beyond(needed, free_memory(), f"--episodes {one_line(count, longest=40)}: as many environments need")
    seeds = evaluation_seeds(policy.config["evaluation.seed"], count)
    wrappers = examine(policy.env, vec, policy.squash).wrappers
    # The wrappers, seeds and cap of the run: the same policy then gets the same returns, bit for bit.
    with preserved_generators(), closing(make_vec_env(policy.env, count, vec, wrappers, squash=policy.squash)) as envs:
        cap = recorded_cap(envs.time_limit, policy.evaluation_cap)
        evaluation = evaluate(policy.act, envs, seeds, 1, torch.device("cpu"), cap=cap)
    for error in evaluation.faults.values():
        raise error
    return evaluation
