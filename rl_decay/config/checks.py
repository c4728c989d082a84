"""What a configuration must satisfy before anything is built from it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from rl_decay.config.numbers import check_scheduled, check_sizes
from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config, flat
from rl_decay.config.values import plain_config
from rl_decay.errors import UserError, one_line, shown

# the task each preset in conf/env was tuned for; every other task fits `generic`
PRESETS = {
    "CartPole-v1": "cartpole",
    "Acrobot-v1": "acrobot",
    "MountainCar-v0": "mountain_car",
    "MountainCarContinuous-v0": "mountain_car_continuous",
    "Pendulum-v1": "pendulum",
}
CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "compile": ("none", "inductor"),
    "vec": ("sync", "async"),
    "resume": ("never", "auto"),
    "compare": ("auto", "none"),
    "horizon": ("refuse", "keep", "stretch", "hold"),
    "net.activation": ("tanh", "relu"),
    "algo.grad_clip": ("per_group", "joint"),
}

# arguments of gymnasium.make and make_vec that are not the task's own: who decides them
RESERVED = {
    "id": "env.id names the task",
    "render_mode": "`python -m rl_decay.evaluate --video` chooses it",
    "num_envs": "env.num_envs is the number of copies",
    "vectorization_mode": "vec chooses how copies are stepped",
    "autoreset_mode": "training needs next-step resets",
    "vector_kwargs": "training chooses them",
    "wrappers": "put the wrapper around the task where it is registered",
}
TIME_LIMIT, NO_LIMIT = "max_episode_steps", -1  # Gymnasium's argument of every task, and its word for none
REACH = 100_000  # how far from a number of minibatches one that fits is looked for: rollouts may be of any size

Rule = tuple[Callable[[Any], bool], str]
AT_LEAST_ONE: Rule = (lambda x: _whole(x) and x >= 1, "a whole number of at least 1")
COUNT: Rule = (lambda x: _whole(x) and x >= 0, "a whole number, 0 or more")
NOT_NEGATIVE: Rule = (lambda x: 0 <= x < math.inf, "0 or more, and finite")
POSITIVE: Rule = (lambda x: 0 < x < math.inf, "more than 0, and finite")
OPTIONAL_COUNT: Rule = (lambda x: x is None or AT_LEAST_ONE[0](x), "a whole number of at least 1; or null")
SHARE: Rule = (lambda x: 0 <= x <= 1, "between 0 and 1")
OPTIONAL_POSITIVE: Rule = (lambda x: x is None or 0 < x < math.inf, "more than 0, and finite; or null")
# longer ones overflow the clocks of poll()
SECONDS: Rule = (lambda x: x is None or 0 < x <= 1e6, "more than 0, at most 1,000,000 seconds; or null for ever")

RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "total_steps",
            "threads",
            "segments",
            "env.num_envs",
            "algo.num_steps",
            "algo.epochs",
            "algo.minibatches",
            "evaluation.episodes",
            "evaluation.late",
        ),
        AT_LEAST_ONE,
    ),
    **dict.fromkeys(("seed", "evaluation.seed", "evaluation.early", "checkpoint.keep"), COUNT),
    **dict.fromkeys(("actor.lr", "critic.lr", "algo.entropy_coef", "algo.value_coef"), NOT_NEGATIVE),
    **dict.fromkeys(("schedule.start", "schedule.final"), NOT_NEGATIVE),
    **dict.fromkeys(("algo.gamma", "algo.gae_lambda", "schedule.warmup"), SHARE),
    "algo.clip": POSITIVE,
    **dict.fromkeys(("algo.value_clip", "algo.max_grad_norm", "algo.target_kl"), OPTIONAL_POSITIVE),
    "env.timeout": SECONDS,
    **dict.fromkeys(("checkpoint.every", "evaluation.max_steps"), OPTIONAL_COUNT),
    "net.hidden": (lambda x: all(_whole(width) and width >= 1 for width in x), "a list of whole numbers of at least 1"),
    "net.log_std": (math.isfinite, "finite"),
}


def check(config: Config) -> Config:
    """A configuration that can be run, in plain values; UserError names the first key that cannot, and the way out.

    The given object stays as it is.
    """
    config = plain_config(config)
    values = flat(config)
    for key, options in CHOICES.items():
        if values[key] not in options:
            raise UserError(f"{key}={shown(values[key])}: choose one of {', '.join(options)}")
    for key, (holds, text) in RULES.items():
        if not _holds(holds, values[key]):
            raise UserError(f"{key}={shown(values[key])}: must be {text}")
    check_sizes(config)
    _check_kwargs(config.env.kwargs)
    role_curves(config.schedule)
    check_scheduled(config)
    _check_rollout(config)
    if config.horizon != "refuse" and config.resume == "never":
        raise UserError(f"horizon={config.horizon}: only a run that is continued can become longer; add resume=auto")
    if config.env.timeout is not None and config.vec != "async":
        raise UserError(f"env.timeout={config.env.timeout}: only vec=async can time a step; set vec=async")
    return config


def _whole(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def _holds(rule: Callable[[Any], bool], value: Any) -> bool:
    try:
        return bool(rule(value))
    except (TypeError, OverflowError):  # a value of another type, given from Python; a whole number of 400 digits
        return False


def _check_kwargs(kwargs: dict[str, Any]) -> None:
    for name, reason in RESERVED.items():
        if name in kwargs:
            raise UserError(f"env.kwargs.{name}={kwargs[name]}: no argument of the task, {reason}; remove it")
    try:
        json.dumps(kwargs, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"env.kwargs={shown(kwargs)}: must be plain, finite values ({one_line(error)})") from None
    limit = kwargs.get(TIME_LIMIT)
    if not (limit is None or (_whole(limit) and (limit == NO_LIMIT or limit >= 1))):
        raise UserError(
            f"env.kwargs.{TIME_LIMIT}={shown(limit)}: must be a whole number of at least 1; null for the task's own "
            "limit, -1 for none"
        )


def _check_rollout(config: Config) -> None:
    rows, count = config.env.num_envs * config.algo.num_steps, config.algo.minibatches
    if config.total_steps < rows:
        raise UserError(
            f"total_steps={config.total_steps}: one iteration takes env.num_envs * algo.num_steps = {rows} steps; ask "
            "for at least that many"
        )
    if rows % count or rows // count < 2:
        near = _nearest_divisors(rows, count)
        raise UserError(
            f"algo.minibatches={count}: a rollout of env.num_envs * algo.num_steps = {rows} rows must be cut into "
            f"equal minibatches of at least 2; the nearest that fit: {', '.join(map(str, sorted(near))) or 'none'}"
        )


def _nearest_divisors(rows: int, count: int) -> list[int]:
    """Up to three divisors of `rows`, of at least 2 rows each, nearest first; the search ends after `REACH` numbers."""
    middle = min(count, rows // 2)
    near: list[int] = []
    for distance in range(min(rows, REACH)):
        both = dict.fromkeys((middle - distance, middle + distance))
        near += [n for n in both if 1 <= n <= rows // 2 and rows % n == 0]
        if len(near) >= 3:
            break
    return near[:3]


def preset_note(config: Config) -> str | None:
    """A line for the plan where the task is not its preset's: whose hyperparameters are used, which preset fits."""
    fitting = PRESETS.get(config.env.id.rpartition(":")[2], "generic")
    if config.env.preset in (fitting, "none"):
        return None
    return f"{config.env.id} runs with the hyperparameters of env={config.env.preset}; env={fitting} fits it"
