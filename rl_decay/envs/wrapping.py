"""The wrappers of `env.wrappers`: import them, refuse what cannot be one, put them around a copy of the task."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
from gymnasium import wrappers as gymnasium_wrappers

from rl_decay.config.code_keys import WrapperItem, wrapper_items
from rl_decay.envs.faults import task_error
from rl_decay.envs.imports import imported
from rl_decay.errors import UserError

GYMNASIUM = "gymnasium.wrappers"
OBS = "normalize.obs=true does it, with moments that the checkpoint holds and evaluations leave as they are"
REWARD = "normalize.reward=true does it, and the returns that are reported stay the task's own"
# Refused wrappers, subclasses included, and who does their work instead.
REFUSED: dict[type, str] = {
    gymnasium_wrappers.NormalizeObservation: OBS,
    gymnasium_wrappers.vector.NormalizeObservation: OBS,
    gymnasium_wrappers.NormalizeReward: REWARD,
    gymnasium_wrappers.vector.NormalizeReward: REWARD,
    # The plan reads the time limit from this key. A limit that it does not know would make segments too long.
    gymnasium_wrappers.TimeLimit: "env.kwargs.max_episode_steps sets the time limit",
}


@dataclass(frozen=True)
class Configured:
    """Puts one configured wrapper around a copy. UserError names the wrapper if its constructor fails."""

    place: str
    wrapper: type[gym.Wrapper]
    arguments: dict[str, Any]

    def __call__(self, env: gym.Env) -> gym.Wrapper:
        """The copy with the wrapper around it."""
        try:
            wrapped = self.wrapper(env, **self.arguments)
            _ = wrapped.observation_space, wrapped.action_space  # fail here, where the wrapper is known
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a wrapper's constructor may raise anything
            raise task_error(f"{self.place}: cannot be put around the task:", error) from error
        return wrapped


class Rebuilt(gym.Wrapper):
    """A copy that every seeded reset makes anew, wrappers included.

    Only the start of a segment or of an evaluation gives a seed. A wrapper may keep state over episodes, such as a
    counter, and may change the task inside it; a run that is continued has new copies, and so has the same state. The
    first reset makes the copy anew, too: otherwise its constructor alone would run outside the generators that
    `OwnGenerators` installs.
    """

    def __init__(self, env: gym.Env, make: Callable[[], gym.Env]):
        super().__init__(env)
        self._make = make

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the task; with a seed, in a new copy."""
        if seed is not None:
            self.env.close()
            self.env = self._make()
        return self.env.reset(seed=seed, options=options)


def configured(wrappers: Sequence[Any]) -> list[Configured]:
    """The wrappers of env.wrappers, ready to be put around a copy in this order; UserError for one that cannot be."""
    return [Configured(item.place, _wrapper_class(item), item.arguments) for item in wrapper_items(wrappers)]


def _wrapper_class(item: WrapperItem) -> type[gym.Wrapper]:
    """The class that an item names, which is checked before anything calls it."""
    near = difflib.get_close_matches(item.name, gymnasium_wrappers.__all__, n=1)
    hint = f"; did you mean {GYMNASIUM}.{near[0]}?" if near else ""
    module = imported(item.module, item.place, hint)
    try:
        wrapper = getattr(module, item.name)
    except AttributeError:
        raise UserError(f"{item.place}: the module {item.module} has no {item.name}{hint}") from None
    except Exception as error:  # gymnasium.wrappers imports some of its classes only now, with their packages
        raise task_error(f"{item.place}: cannot be imported:", error) from error
    if not inspect.isclass(wrapper):
        raise UserError(f"{item.place}: is no class, but must be a subclass of gymnasium.Wrapper")
    for refused, way_out in REFUSED.items():
        if issubclass(wrapper, refused):
            raise UserError(f"{item.place}: remove it from env.wrappers; {way_out}")
    if not issubclass(wrapper, gym.Wrapper):
        whole = issubclass(wrapper, gym.vector.VectorWrapper)
        why = "it wraps whole vector environments, but" if whole else "it"
        raise UserError(f"{item.place}: {why} must be a subclass of gymnasium.Wrapper")
    return wrapper
