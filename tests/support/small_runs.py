"""One small configuration, as an object and as words for train.py; what a room of tests needs besides is added."""

from functools import reduce
from typing import Any

from rl_decay.config.schema import Config

SMALL = {
    "env.num_envs": 2,
    "algo.num_steps": 16,
    "algo.minibatches": 2,
    "evaluation.episodes": 2,
    "net.hidden": [16, 16],
    "device": "cpu",
}
STEPS = 32  # of an iteration: 2 environments of 16 steps
# four iterations, with an evaluation at the end and no event file
QUIET = SMALL | {
    "algo.num_steps": 32,
    "algo.epochs": 2,
    "evaluation.early": 0,
    "evaluation.late": 1,
    "logger.tensorboard": False,
}
# eight iterations with everything that a continuation restores
RICH = SMALL | {
    "env.id": "tests/Faulty-v0",
    "algo.epochs": 2,
    "net.hidden": [8],
    "normalize.obs": True,
    "normalize.reward": True,
    "evaluation.early": 2,
    "evaluation.late": 2,
    "segments": 2,
    "checkpoint.every": 3,  # neither a segment nor a divisor of one
    "total_steps": 8 * STEPS,
}
# seven iterations of a run that is saved after iterations 2, 4, 6 and 7, with everything that can be restored
SAVED_OFTEN = RICH | {
    "env.id": "tests/Push-v0",
    "algo.num_steps": 8,
    "algo.target_kl": 0.01,
    "total_steps": 7 * 2 * 8,
    "segments": Config().segments,
    "checkpoint.every": 2,
    "checkpoint.keep": 2,
    "resume": "auto",
}


def small_config(base: dict[str, Any] = QUIET, **values: Any) -> Config:
    """The configuration of these keys, written with two underscores: algo__clip=0.1; four iterations by default.

    A value may also be a whole section: env=Env(...).
    """
    config, keys = Config(), base | {key.replace("__", "."): value for key, value in values.items()}
    for key, value in keys.items():
        *path, leaf = key.split(".")
        owner = reduce(getattr, path, config)
        assert hasattr(owner, leaf), key
        setattr(owner, leaf, list(value) if isinstance(value, list) else value)
    if "total_steps" not in keys:
        config.total_steps = 4 * config.env.num_envs * config.algo.num_steps
    return config


def rich_config(**values: Any) -> Config:
    """Eight iterations of 32 steps with everything that a continuation restores, and these keys."""
    return small_config(RICH, **values)


def small_words(base: dict[str, Any] = SMALL, **values: Any) -> tuple[str, ...]:
    """The same keys as overrides for train.py."""
    keys = base | {key.replace("__", "."): value for key, value in values.items()}
    return tuple(f"{key}={_text(value)}" for key, value in keys.items())


def _text(value: Any) -> str:
    return str(value).replace(" ", "") if isinstance(value, (list, dict)) else str(value)
