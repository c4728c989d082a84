"""The limits that memory sets: how many jobs may train together, and how many populations at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rl_decay.config.memory import BYTES_PER_PROCESS, cause, on_host, parts
from rl_decay.config.schema import Config, Env
from rl_decay.envs.examine import codec_of
from rl_decay.errors import UserError, one_line
from rl_decay.runs.jobs import Job
from rl_decay.training.device import free_memory, refuse_beyond, resolve_device
from rl_decay.types import Spaces


class Room:
    """The memory that the populations of a sweep share, and the sizes of its tasks."""

    def __init__(self, jobs: Sequence[Job]):
        self.free = free_memory()
        self._cuda = bool(jobs) and resolve_device(jobs[0].config.device).type == "cuda"
        self._spaces: dict[str, Spaces | None] = {}

    def workers(self, jobs: Sequence[Job], limit: int) -> int:
        """The number of processes, at most `limit`, with which each job fits into the share of one process.

        UserError names a job that does not fit into the whole memory.
        """
        count = limit
        for job in jobs:
            task = self._task(job.config.env)
            needed = self.needed(job.config, 1)
            if task is None or needed is None:
                continue
            if needed > self.free:  # naming the cause takes milliseconds
                refuse_beyond(needed, self.free, f"job {job.title}: {one_line(cause(job.config, task))}: it needs")
            count = min(count, self.free // needed)
        return count

    def members(self, config: Config, workers: int) -> int | None:
        """The most members that fit into one of `workers` processes; None if the task cannot be made."""
        one = self.needed(config, 1)
        two = self.needed(config, 2)
        if one is None or two is None:
            return None
        # Memory is linear in the members: a process with the first member, then a constant for each further one.
        return 1 + max(self.free // workers - one, 0) // (two - one)

    def needed(self, config: Config, members: int) -> int | None:
        """Bytes of one population in a process of its own; None if the task cannot be made (training reports why)."""
        task = self._task(config.env)
        return None if task is None else BYTES_PER_PROCESS + on_host(parts(config, task, members), self._cuda)

    def _task(self, env: Env) -> Spaces | None:
        """The spaces of a task. Each task is made once: some take seconds, and a sweep may have thousands of jobs."""
        key = json.dumps(asdict(env), sort_keys=True)
        if key not in self._spaces:
            try:
                self._spaces[key] = codec_of(env).spaces
            except UserError:
                self._spaces[key] = None
        return self._spaces[key]
