"""The environment back-ends by name: the one place where slots are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from rl_decay.config.schema import Env
from rl_decay.envs.contract import VecEnv
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import Wrapping


class BackEnd(Protocol):
    """Makes slots of a task. Wrappers go around each copy; a back-end without copies in Python ignores them."""

    def __call__(self, env: Env, slots: int, *, wrappers: Sequence[Wrapping] = (), squash: str = "none") -> VecEnv:
        """`slots` slots of the task `env`, with actions mapped as `net.squash` says; UserError if it cannot be made."""
        ...


# A name here is a choice of the key `vec` (config/schema.py) and has an entry in BYTES_PER_COPY (config/memory.py).
BACK_ENDS: Mapping[str, BackEnd] = {
    "sync": partial(GymnasiumVec, vec="sync"),
    "async": partial(GymnasiumVec, vec="async"),
}


def make_vec_env(env: Env, slots: int, vec: str, wrappers: Sequence[Wrapping] = (), *, squash: str = "none") -> VecEnv:
    """`slots` slots of a task in the back-end that the key `vec` names; the caller closes them.

    `wrappers`, which `examine` chose for the task, go around each copy, the last one outermost; `squash` is the value
    of net.squash. UserError if the task cannot be made, or has actions that cannot be squashed.
    """
    return BACK_ENDS[vec](env, slots, wrappers=wrappers, squash=squash)
