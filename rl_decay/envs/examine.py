"""What is learned of a task before training: from one copy, made and closed again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from rl_decay.config.schema import Env
from rl_decay.envs.advice import advice
from rl_decay.envs.codec import Codec
from rl_decay.envs.gymnasium_vec import single
from rl_decay.types import Spaces


@dataclass(frozen=True)
class Task:
    """A task as training meets it: flat sizes, and what a person must know of it (label, text)."""

    spaces: Spaces
    notes: tuple[tuple[str, str], ...] = ()


def examine(env: Env) -> Task:
    """Make one copy of the task and look at it; UserError if it cannot be made or has unsupported spaces."""
    with closing(single(env)) as copy:
        codec = Codec(env.id, copy.observation_space, copy.action_space, env.rescale_actions)
        notes = advice(env, copy.observation_space, copy.action_space)
    return Task(codec.spaces, tuple(notes))


def spaces(env: Env) -> Spaces:
    """The flat sizes of a task alone; UserError as `examine`."""
    with closing(single(env)) as copy:
        return Codec(env.id, copy.observation_space, copy.action_space, env.rescale_actions).spaces
