"""Copies of a task in worker processes, stepped side by side (`vec=async`)."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium.vector import AsyncVectorEnv
from gymnasium.vector.async_vector_env import AsyncState
from gymnasium.vector.utils import iterate

from rl_decay.envs.faults import TookTooLongError, reported_error, task_error
from rl_decay.envs.quiet_worker import end_processes
from rl_decay.envs.slots import Faults, RawStep
from rl_decay.errors import UserError

ERROR_SECONDS = 10.0  # between a worker's answer that it failed and its error, which a thread of its own sends


class AsyncSlots:
    """The copies that an AsyncVectorEnv made; see `slots.Slots`.

    Its own `step_wait` would leave the answers of all slots behind the first dead process in their pipes, and take
    them for the answers to the next question. Each slot has a pipe and a piece of shared memory of its own, so that a
    process that raises, dies or hangs disturbs no other.
    """

    def __init__(self, vector: AsyncVectorEnv, task: str, timeout: float | None):
        self._vector, self._task, self._timeout = vector, task, timeout
        self.faults = Faults(vector.num_envs)

    def reset(self, seeds: Sequence[int | None]) -> Any:
        """Reset every sound slot."""
        for slot in np.flatnonzero(~self.faults.broken).tolist():
            self._ask(slot, "reset", {"seed": seeds[slot], "options": None})
        self._answers("reset", ~self.faults.broken)
        return self._observations()

    def step(self, actions: Any, stepped: np.ndarray | None) -> RawStep:
        """Step the slots of the mask, None = all, at once."""
        count = self._vector.num_envs
        rewards, terminated, truncated = np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)
        due = ~self.faults.broken if stepped is None else stepped & ~self.faults.broken
        for slot, action in enumerate(iterate(self._vector.action_space, actions)):
            if due[slot]:
                self._ask(slot, "step", action)
        for slot, answer in self._answers("step", due & ~self.faults.broken).items():
            try:
                _, rewards[slot], terminated[slot], truncated[slot], _ = answer
            except Exception as error:  # a reward that is no number
                self._failed(slot, "step", error)
        return RawStep(self._observations(), rewards, terminated, truncated)

    def attribute(self, name: str) -> tuple[Any, ...]:
        """An attribute of every copy."""
        return self._vector.get_attr(name)

    def close(self) -> None:
        """End every worker, also one that no longer answers."""
        end_processes(self._vector.processes)  # Gymnasium would wait for ever for a worker that ignores SIGTERM
        self._vector._state = AsyncState.DEFAULT  # else it would wait for the answer of a worker that is gone
        self._vector.close(terminate=True)

    def _ask(self, slot: int, method: str, argument: Any) -> None:
        try:
            self._vector.parent_pipes[slot].send((method, argument))
        except ConnectionError as error:
            self._died(slot, method, error)

    def _answers(self, method: str, asked: np.ndarray) -> dict[int, Any]:
        """The answer of each slot of the mask; no slot waits longer than `env.timeout` after the first question."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        answers: dict[int, Any] = {}
        raised: list[int] = []
        late: list[int] = []
        for slot in np.flatnonzero(asked).tolist():
            pipe = self._vector.parent_pipes[slot]
            try:
                if deadline is not None and not pipe.poll(max(0.0, deadline - time.monotonic())):
                    late.append(slot)
                    continue
                answer, success = pipe.recv()
            except (EOFError, ConnectionError) as error:
                self._died(slot, method, error)
            except Exception as error:  # an answer that cannot be unpickled; the pipe is empty all the same
                self._failed(slot, method, error)
            else:
                if success:
                    answers[slot] = answer
                else:
                    raised.append(slot)
        self._give_up(late, method)
        self._collect_errors(raised, method)
        return answers

    def _give_up(self, late: Sequence[int], method: str) -> None:
        """Break the slots that did not answer in time, and end their processes, which may hang for ever."""
        for slot in late:
            words = f"a {method} of {self._task} took longer than that many seconds"
            way_out = "raise it, or set it to null to wait for ever"
            self.faults.add(slot, TookTooLongError(f"env.timeout={self._timeout}: {words}; {way_out}"))
        end_processes([self._vector.processes[slot] for slot in late])

    def _collect_errors(self, raised: Sequence[int], method: str) -> None:
        """Break the slots whose workers have put an error into the common queue, in whatever order."""
        waiting = set(raised)
        while waiting:
            try:  # a worker that is killed between its answer and its error leaves none
                slot, _, error, trace = self._vector.error_queue.get(timeout=ERROR_SECONDS)
            except queue.Empty as error:
                for slot in waiting:
                    self._died(slot, method, error)
                return
            waiting.discard(slot)
            self.faults.add(slot, reported_error(self._what(method), error, trace))

    def _failed(self, slot: int, method: str, error: Exception) -> None:
        self.faults.add(slot, task_error(self._what(method), error), error)

    def _died(self, slot: int, method: str, error: Exception) -> None:
        self.faults.add(slot, UserError(f"env.id={self._task}: a process of it died during a {method}"), error)

    def _what(self, method: str) -> str:
        return f"env.id={self._task}: its {method} failed with"

    def _observations(self) -> Any:
        return deepcopy(self._vector.observations)  # the workers write the next ones into the same memory
