"""Gymnasium's own vector environments, sync or async, behind the contract."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState

from rl_decay.config.schema import Env
from rl_decay.envs.contract import Step
from rl_decay.envs.faults import task_error
from rl_decay.envs.making import Wrapping, make_copies, time_limit
from rl_decay.envs.quiet_worker import end_processes
from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError


class TookTooLongError(UserError):
    """A reset or step took longer than `env.timeout`."""


class GymnasiumVec:
    """`slots` copies of a registered task under NEXT_STEP autoreset, with flat observations and actions.

    `wrappers`, which `examine` chose for the task, go around each copy, the last one outermost.
    """

    def __init__(self, env: Env, slots: int, vec: str = "sync", wrappers: Sequence[Wrapping] = ()):
        self._timeout = env.timeout
        self._id = env.id
        self._env = make_copies(env, slots, vec, wrappers)
        try:
            self.codec = Codec(
                env.id, self._env.single_observation_space, self._env.single_action_space, env.rescale_actions
            )
        except UserError:
            self._env.close()  # nobody else could: there is no object yet
            raise
        self.spaces = self.codec.spaces
        self.time_limit = time_limit(env, self._env)
        self._after_done = np.zeros(slots, bool)  # slots whose next step is the reset, a filler row

    def reset(self, seeds: Sequence[int]) -> np.ndarray:
        """Reset every slot with its own seed; obs [S, D]."""
        return self.codec.encode(self.raw_reset(seeds))

    def step(self, actions: np.ndarray) -> Step:
        """Step every slot; see `contract.VecEnv`."""
        valid = ~self._after_done
        obs, rewards, terminated, truncated = self.raw_step(actions)  # changes _after_done
        return Step(self.codec.encode(obs), np.asarray(rewards, np.float64), terminated, truncated, valid)

    def raw_reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every slot, unseeded where the seed is None; the task's own observations [S, ...]."""
        obs, _ = self._call("reset", seed=list(seeds))
        self._after_done[:] = False
        return obs

    def raw_step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """Step every slot by flat actions; the task's own observations [S, ...], rewards, terminated, truncated [S]."""
        obs, rewards, terminated, truncated, _ = self._call("step", actions=self.codec.decode(actions))
        self._after_done = terminated | truncated
        return obs, rewards, terminated, truncated

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy, or of a wrapper around it, in the order of the slots."""
        copies: Any = self._env  # sync and async vector environments have get_attr, their base class does not
        return copies.get_attr(name)

    def close(self) -> None:
        """Close every copy; workers that no longer answer are ended."""
        if isinstance(self._env, AsyncVectorEnv):
            end_processes(self._env.processes)  # Gymnasium would wait for ever for a worker that ignores SIGTERM
            self._env._state = AsyncState.DEFAULT  # else it would wait for the answer of a worker that is gone
            self._env.close(terminate=True)
        else:
            self._env.close()

    def _call(self, name: str, **arguments: Any) -> Any:
        """`reset` or `step` of every copy; UserError if a copy raises, dies, or takes longer than the timeout."""
        try:
            if not isinstance(self._env, AsyncVectorEnv):
                return getattr(self._env, name)(**arguments)
            getattr(self._env, f"{name}_async")(**arguments)
            with warnings.catch_warnings():  # Gymnasium warns of a worker's error before it raises it
                warnings.simplefilter("ignore")
                return getattr(self._env, f"{name}_wait")(timeout=self._timeout)
        except multiprocessing.TimeoutError:
            raise TookTooLongError(
                f"env.timeout={self._timeout}: a {name} of {self._id} took longer than that many seconds; raise it, or "
                "set it to null to wait for ever"
            ) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a task's own code may raise anything, SystemExit too
            if isinstance(self._env, AsyncVectorEnv) and isinstance(error, (EOFError, ConnectionError)):
                raise UserError(f"env.id={self._id}: a process of it died during a {name}") from error
            raise task_error(f"env.id={self._id}: its {name} failed with", error) from error
