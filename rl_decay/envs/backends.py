"""The environment back-ends by name: the one place where slots are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol

from rl_decay.config.plan import Note
from rl_decay.config.schema import Env
from rl_decay.envs.batchable import batched_task, refusal, require_batchable
from rl_decay.envs.batched_vec import BatchedVec
from rl_decay.envs.contract import VecEnv
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import Wrapping


class BackEnd(Protocol):
    """Makes slots of a task. Wrappers go around each copy; a back-end without copies in Python ignores them."""

    def __call__(self, env: Env, slots: int, *, wrappers: Sequence[Wrapping] = (), squash: str = "none") -> VecEnv:
        """`slots` slots of the task `env`, with actions mapped as `net.squash` says; UserError if it cannot be made."""
        ...


AUTO = "auto"
# A name here is a choice of the key `vec`, as AUTO is (config/schema.py); each has an entry in BYTES_PER_COPY
# (config/memory.py).
BACK_ENDS: Mapping[str, BackEnd] = {
    "sync": partial(GymnasiumVec, vec="sync"),
    "async": partial(GymnasiumVec, vec="async"),
    "batched": BatchedVec,
}


def back_end_of(env: Env, vec: str) -> str:
    """The name of the back-end that the key `vec` means for a task: its own value, unless that is `auto`.

    `auto` is async where a step has a time limit, batched where that gives the same bits, and sync elsewhere.
    UserError for `batched` where it cannot be.
    """
    if vec == "batched":
        require_batchable(env)
    if vec != AUTO:
        return vec
    if env.timeout is not None:
        return "async"
    return "sync" if refusal(env) else "batched"


def not_batched(env: Env, vec: str) -> list[Note]:
    """The note that `auto` steps copies of a task although it could be batched in another configuration, and why."""
    is_batchable = env.timeout is None and batched_task(env) is not None
    problem = refusal(env) if vec == AUTO and is_batchable else None
    return [Note("vec", f"auto steps the copies one by one (sync): {problem}")] if problem else []


def make_vec_env(env: Env, slots: int, vec: str, wrappers: Sequence[Wrapping] = (), *, squash: str = "none") -> VecEnv:
    """`slots` slots of a task in the back-end that the key `vec` means; the caller closes them.

    `wrappers`, which `examine` chose for the task, go around each copy, the last one outermost; `squash` is the value
    of net.squash. UserError if the task cannot be made, or not in this back-end, or has actions that
    cannot be squashed.
    """
    return BACK_ENDS[back_end_of(env, vec)](env, slots, wrappers=wrappers, squash=squash)
