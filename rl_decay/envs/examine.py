"""Examine a task before training: make two copies, play them for a few hundred steps, and close them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

import gymnasium as gym
from gymnasium.spaces import Box

from rl_decay.config.code_keys import wrapper_items
from rl_decay.config.schema import Env
from rl_decay.envs.advice import advice
from rl_decay.envs.backends import back_end_of, make_vec_env
from rl_decay.envs.contract import TaskCopies
from rl_decay.envs.faults import TookTooLongError
from rl_decay.envs.generators import OwnGenerators, preserved_generators
from rl_decay.envs.making import ShapeChecked, Wrapping, make_env
from rl_decay.envs.observations import Flattening
from rl_decay.envs.precision import lost_in_float32
from rl_decay.envs.repeatable import Row, difference, play
from rl_decay.envs.rewards import OneNumberReward
from rl_decay.envs.spaces import Codec
from rl_decay.envs.task_methods import require_gymnasium_methods
from rl_decay.errors import UserError
from rl_decay.types import Spaces


@dataclass(frozen=True)
class Task:
    """The result of an examination: flat sizes, notes (label, text) for a person, wrappers that each copy needs."""

    spaces: Spaces
    notes: tuple[tuple[str, str], ...] = ()
    wrappers: tuple[Wrapping, ...] = ()
    parts: str = ""  # of its Dict or Tuple observations, in the order of their columns


def examine(env: Env, vec: str = "sync", squash: str = "none") -> Task:
    """Play two copies of the task in the back-end that the key `vec` means, and judge what they did.

    A batched task has no copies; two of the original are played in this process.

    `squash` is the value of net.squash: it decides which actions the copies get.

    UserError if the task cannot be made, has unsupported spaces, or methods that are not Gymnasium's. A task that fails
    while it is played is accepted: training will meet the same error, and record it in the run's folder. The global
    random generators of this process are left unchanged.
    """
    own = (OneNumberReward, OwnGenerators)
    name = back_end_of(env, vec)
    played = "sync" if name == "batched" else name
    with preserved_generators(), closing(make_vec_env(env, 2, played, own, squash=squash)) as copies:
        if not isinstance(copies, TaskCopies):  # the back-end simulates the task itself: no foreign code to examine
            return Task(copies.spaces)
        flattening = copies.codec.flattening
        parts = flattening.order()
        try:
            history, again = play(copies)
        except TookTooLongError:  # no further question: in this process the task's methods might never return
            return Task(copies.spaces, parts=parts)
        except UserError:
            require_gymnasium_methods(env)
            # Training meets the error again. ShapeChecked then names a wrong shape, which NumPy's error does not.
            return Task(copies.spaces, wrappers=(ShapeChecked,), parts=parts)
        global_generators = set().union(*copies.attribute("drawn_from"))
        unpacked = any(copies.attribute("unpacked"))
        notes = [
            *_notes(history, again, global_generators),
            *_precision(history, flattening),
            *advice(env, flattening.parts, copies.codec.action_space, squash),
        ]
        return Task(copies.spaces, tuple(notes), _wrappers(global_generators, unpacked), parts)


def _wrappers(global_generators: set[str], unpacked: bool) -> tuple[Wrapping, ...]:
    """Only the wrappers that this task needs, because each costs time in every step."""
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
    return notes


def _precision(history: Sequence[Row], flattening: Flattening) -> Iterator[tuple[str, str]]:
    """A note for each part of the first copy's observations whose changes float32 does not keep."""
    for index, part in enumerate(flattening.parts):
        if not isinstance(part.space, Box):  # whole numbers become one-hot, or are 0 and 1
            continue
        whose = f"part {part.name} of the observation" if part.path else "the observation"
        seen = [row.observations[index][0] for row in history]
        if loss := lost_in_float32(seen, whose):
            yield "precision", f"{loss}; subtract the constant in the task, or in a wrapper around it"


def codec_of(env: Env, squash: str = "none") -> Codec:
    """The codec of a task's spaces, from one copy that is not played; UserError and random generators as `examine`."""
    with preserved_generators(), closing(make_env(env)) as copy:
        try:
            return _codec(env, copy, squash)
        except UserError as error:
            raise _blamed(error, env, copy, squash) from None


def _codec(env: Env, copy: gym.Env, squash: str) -> Codec:
    return Codec(env.id, copy.observation_space, copy.action_space, rescale=env.rescale_actions, squash=squash)


def _blamed(error: UserError, env: Env, copy: gym.Env, squash: str) -> UserError:
    """The error about a copy's spaces, with the configured wrapper that made them what they are if one did."""
    for item in reversed(wrapper_items(env.wrappers)):  # from the outermost inwards
        copy = copy.env  # pyright: ignore[reportAttributeAccessIssue]
        with suppress(UserError):
            _codec(env, copy, squash)
            return UserError(f"{item.place}: its spaces cannot be trained on; {error}")
    return error
