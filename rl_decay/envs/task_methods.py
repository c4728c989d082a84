"""Say what is wrong with a task whose reset and step are not Gymnasium's, such as a task of the old library gym."""

from __future__ import annotations

import inspect
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np

from rl_decay.config.schema import Env
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError, one_line

RESET = "reset(self, *, seed=None, options=None) -> (observation, info)"
STEP = "step(self, action) -> (observation, reward, terminated, truncated, info)"


def require_gymnasium_methods(env: Env) -> None:
    """UserError if reset or step of a task does not take or return what Gymnasium requires.

    Asked after a task failed in play, because it makes another copy.
    """
    problem = None
    with closing(make_env(env)) as copy:
        try:
            problem = _problem(copy.unwrapped)
        except KeyboardInterrupt:
            raise
        except BaseException:
            pass  # an error of the task's own code: training will meet it and report it
    if problem:
        raise UserError(f"env.id={env.id}: {problem}")


def _problem(task: gym.Env) -> str | None:
    """The first deviation from Gymnasium's methods, in words; None if there is none."""
    if not _takes_seed(task.reset):
        return f"its reset takes no seed, so that no run could be repeated; Gymnasium wants {RESET}"
    reset: Any = task.reset(seed=0)
    if not (isinstance(reset, tuple) and len(reset) == 2 and isinstance(reset[1], dict)):
        return f"its reset returns {_kind(reset)}; Gymnasium wants {RESET}"
    step: Any = task.step(task.action_space.sample())
    if not (isinstance(step, tuple) and len(step) == 5 and isinstance(step[4], dict)):
        return f"its step returns {_kind(step)}; Gymnasium wants {STEP}"
    reward: Any = step[1]
    if not (np.size(reward) == 1 and np.issubdtype(np.asarray(reward).dtype, np.number)):
        return f"its reward is {one_line(repr(reward), 80)}; Gymnasium wants one number"
    return None


def _takes_seed(reset: Any) -> bool:
    parameters = inspect.signature(reset).parameters.values()
    return any(p.name == "seed" or p.kind == p.VAR_KEYWORD for p in parameters)


def _kind(value: Any) -> str:
    """A returned value in words: `4 values, the last of them dict`, or `ndarray alone`."""
    if not isinstance(value, tuple):
        return f"{type(value).__name__} alone"
    return f"{len(value)} values, the last of them {type(value[-1]).__name__}" if value else "no values"
