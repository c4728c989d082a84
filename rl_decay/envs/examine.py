"""What is learned of a task before training: from two copies, made, played for a few hundred steps and closed again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from rl_decay.config.schema import Env
from rl_decay.envs.advice import advice
from rl_decay.envs.backends import make_vec_env
from rl_decay.envs.contract import TaskCopies
from rl_decay.envs.generators import OwnGenerators, preserved_generators
from rl_decay.envs.gymnasium_vec import ShapeChecked, TookTooLongError, Wrapping, make_env
from rl_decay.envs.precision import lost_in_float32
from rl_decay.envs.repeatable import Row, difference, play
from rl_decay.envs.rewards import OneNumberReward
from rl_decay.envs.spaces import Codec
from rl_decay.envs.task_methods import require_gymnasium_methods
from rl_decay.errors import UserError
from rl_decay.types import Spaces


@dataclass(frozen=True)
class Task:
    """A task as training meets it: flat sizes, what a person must know of it (label, text), wrappers that it needs."""

    spaces: Spaces
    notes: tuple[tuple[str, str], ...] = ()
    wrappers: tuple[Wrapping, ...] = ()


def examine(env: Env, vec: str = "sync") -> Task:
    """Play two copies of the task, in processes of their own with vec=async, and look at them.

    UserError if it cannot be made, has unsupported spaces, or methods that are not Gymnasium's. A task that fails
    later is left to training, which writes what it can and tells the rest. The global random generators stay as they
    are.
    """
    with preserved_generators(), closing(make_vec_env(env, 2, vec, (OneNumberReward, OwnGenerators))) as copies:
        if not isinstance(copies, TaskCopies):  # the back-end's own simulation: no code of the task's could go wrong
            return Task(copies.spaces)
        try:
            history, again = play(copies)
        except TookTooLongError:  # asking it more, in this process, might take for ever
            return Task(copies.spaces)
        except UserError:
            require_gymnasium_methods(env)
            return Task(copies.spaces, wrappers=(ShapeChecked,))  # so that training can say more than NumPy
        global_generators = set().union(*copies.attribute("drawn_from"))
        unpacked = any(copies.attribute("unpacked"))
        notes = [
            *_notes(history, again, global_generators),
            *advice(env, copies.codec.obs_space, copies.codec.action_space),
        ]
        return Task(copies.spaces, tuple(notes), _wrappers(global_generators, unpacked))


def _wrappers(global_generators: set[str], unpacked: bool) -> tuple[Wrapping, ...]:
    wrappers: list[Wrapping] = [OneNumberReward] if unpacked else []
    if global_generators:
        wrappers.append(partial(OwnGenerators, python="Python" in global_generators))
    return tuple(wrappers)


def _notes(history: Sequence[Row], again: Sequence[Row], global_generators: set[str]) -> list[tuple[str, str]]:
    notes = []
    if change := difference(history, again):
        notes.append(
            (
                "not deterministic",
                f"the task is not a function of its reset seed: {change}; two evaluations, a continued run and a run "
                "alone or in a population may differ",
            )
        )
    if global_generators:
        names = " and ".join(sorted(global_generators))
        notes.append(
            (
                "global generator",
                f"the task draws from {names}'s global generator; each copy has one of its own, seeded by its reset "
                "seed. A task that draws from self.np_random needs none",
            )
        )
    if loss := lost_in_float32([row.observations[0] for row in history]):
        notes.append(("precision", f"{loss}; subtract the constant in the task, or in a wrapper around it"))
    return notes


def codec_of(env: Env) -> Codec:
    """What a task's spaces are, without playing it; UserError and global random generators as `examine`."""
    with preserved_generators(), closing(make_env(env)) as copy:
        return Codec(env.id, copy.observation_space, copy.action_space, env.rescale_actions)
