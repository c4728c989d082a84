"""Whether a configuration can be run, asked before anything is built from it.

The schema states what one key may be, and `config/ranges.py` checks it. This file holds the rules between keys, and the
rules for a task's arguments.
"""

from __future__ import annotations

import json
from typing import Any

from rl_decay.config.code_keys import task_id, wrapper_items
from rl_decay.config.ranges import FLOAT32_WORDS, LARGEST_FLOAT32, check_value
from rl_decay.config.schedules import BASE_KEYS, role_curves
from rl_decay.config.schema import Config, flat, walk
from rl_decay.config.values import plain_config
from rl_decay.errors import UserError, one_line, shown
from rl_decay.metrics.tasks import fitting_preset
from rl_decay.types import GROUPS

# Arguments of gymnasium.make and make_vec that no task may be given by env.kwargs, each with who decides it.
RESERVED = {
    "id": "env.id names the task",
    "render_mode": "`python -m rl_decay.evaluate --video` chooses it",
    "num_envs": "env.num_envs is the number of copies",
    "vectorization_mode": "vec chooses how copies are stepped",
    "autoreset_mode": "training needs next-step resets",
    "vector_kwargs": "training chooses them",
    "wrappers": "env.wrappers puts wrappers around each copy",
}
TIME_LIMIT = "max_episode_steps"  # the argument by which Gymnasium limits any task's episodes
NO_LIMIT = -1  # the value of TIME_LIMIT for endless episodes
SUGGESTIONS = 3  # numbers of minibatches that a message proposes
REACH = (
    100_000  # numbers tried on each side for a suggestion: a rollout may have 2^63 rows, a search must not take hours
)


def check(config: Config) -> Config:
    """A configuration that can be run, in plain values; UserError names a key that cannot be run, and the way out.

    The given object stays unchanged.
    """
    config = plain_config(config)
    for key, value, about in walk(config):
        check_value(key, value, about)
    config.env.id = task_id(config.env)
    _check_kwargs(config.env.kwargs)
    wrapper_items(config.env.wrappers)  # raises for an item that is not written as one
    role_curves(config.schedule)  # raises for an unknown curve, and for a knob that its curve does not take
    _check_scheduled(config)
    _check_rollout(config)
    if config.net.squash != "none" and config.env.rescale_actions:
        raise UserError(
            f"net.squash={config.net.squash}: maps actions onto their bounds, as env.rescale_actions=true does; set "
            "net.squash=none or env.rescale_actions=false"
        )
    if config.horizon != "refuse" and config.resume == "never":
        raise UserError(f"horizon={config.horizon}: only a run that is continued can become longer; add resume=auto")
    if config.env.timeout is not None and config.vec not in ("auto", "async"):
        raise UserError(f"env.timeout={config.env.timeout}: only vec=async can time a step; set vec=async")
    return config


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    for name, reason in RESERVED.items():
        if name in kwargs:
            raise UserError(f"env.kwargs.{name}={kwargs[name]}: no argument of the task, {reason}; remove it")
    try:
        json.dumps(kwargs, allow_nan=False)  # summary.json and the fingerprint hold them as JSON
    except (TypeError, ValueError) as error:
        raise UserError(f"env.kwargs={shown(kwargs)}: must be plain, finite values ({one_line(error)})") from None
    limit = kwargs.get(TIME_LIMIT)
    is_whole = isinstance(limit, int) and not isinstance(limit, bool)
    if limit is not None and not (is_whole and (limit == NO_LIMIT or limit >= 1)):
        raise UserError(
            f"env.kwargs.{TIME_LIMIT}={shown(limit)}: must be a whole number of at least 1; null for the task's own "
            "limit, -1 for none"
        )


def _check_scheduled(config: Config) -> None:
    """UserError where a base value times a factor of its schedule, the number that training uses, is too large."""
    values = flat(config)
    for role, curve in role_curves(config.schedule).items():
        base_key = BASE_KEYS[role]
        base = values[base_key]
        for knob in ("start", "final"):
            factor = curve.knobs.get(knob, 0.0)
            if base * factor > LARGEST_FLOAT32:
                is_shared = role in GROUPS and values[f"schedule.{role}.{knob}"] is None
                key = f"schedule.{knob}" if is_shared else f"schedule.{role}.{knob}"
                raise UserError(f"{key}={factor}: times {base_key}={base} it must be at most {FLOAT32_WORDS}")


def _check_rollout(config: Config) -> None:
    """UserError where the steps are too few for one rollout, or a rollout cannot be cut into equal minibatches."""
    rows = config.env.num_envs * config.algo.num_steps
    minibatches = config.algo.minibatches
    if config.total_steps < rows:
        raise UserError(
            f"total_steps={config.total_steps}: one iteration takes env.num_envs * algo.num_steps = {rows} steps; ask "
            "for at least that many"
        )
    # Advantages are normalised within a minibatch, and a single row has no standard deviation.
    if rows % minibatches or rows // minibatches < 2:
        fitting = sorted(_fitting_minibatches(rows, minibatches))
        raise UserError(
            f"algo.minibatches={minibatches}: a rollout of env.num_envs * algo.num_steps = {rows} rows must be cut "
            f"into equal minibatches of at least 2; the nearest that fit: {', '.join(map(str, fitting)) or 'none'}"
        )


def _fitting_minibatches(rows: int, asked: int) -> list[int]:
    """Up to SUGGESTIONS divisors of `rows` that leave at least 2 rows each, the nearest to `asked` first."""
    most = rows // 2
    middle = min(asked, most)
    fitting: list[int] = []
    for distance in range(min(rows, REACH)):
        candidates = dict.fromkeys((middle - distance, middle + distance))  # a dict: at distance 0 both are one number
        fitting += [count for count in candidates if 1 <= count <= most and rows % count == 0]
        if len(fitting) >= SUGGESTIONS:
            break
    return fitting[:SUGGESTIONS]


def normalization_note(config: Config) -> str | None:
    """A line for the plan if env=generic, which normalises, runs without it, as an experiment may ask unseen."""
    normalize = config.normalize
    if config.env.preset != "generic" or (normalize.obs and normalize.reward):
        return None
    switched_off = [name for name in ("obs", "reward") if not getattr(normalize, name)]
    keys = " ".join(f"normalize.{name}=true" for name in switched_off)
    return f"env=generic normalises, this run does not: {keys} would"


def preset_note(config: Config) -> str | None:
    """A line for the plan if the hyperparameters are another task's: which preset they are, which preset fits."""
    fitting = fitting_preset(config.env.id)
    if config.env.preset in (fitting, "none"):
        return None
    return f"{config.env.id} runs with the hyperparameters of env={config.env.preset}; env={fitting} fits it"
