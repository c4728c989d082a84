"""What a population in training leaves in its folders beside the rows: checkpoints, and the ends of runs that cannot be
written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from rl_decay.config.plan import Plan
from rl_decay.config.schema import flat
from rl_decay.config.trust import modules_to_trust
from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.runs import layout
from rl_decay.runs.durable import FileChangedError
from rl_decay.runs.lock import LockLostError, RunLock
from rl_decay.runs.recorder import RunRecorder
from rl_decay.runs.unwritable import cause, interrupted_writing
from rl_decay.training import checkpoints
from rl_decay.training.checkpoints import Checkpoint
from rl_decay.training.collector import Collector

FLUSH_SECONDS = 5.0

log = logging.getLogger("rl_decay")


@dataclass
class Saver:
    """When a population is saved, what a checkpoint holds, and which of its runs have lost their folder."""

    plan: Plan
    ppo: PPO
    collector: Collector
    runs: Sequence[RunRecorder]  # per member
    templates: Sequence[Checkpoint]  # per member: `checkpoint_template`
    lock: RunLock  # of the runs' folders
    failures: list[str] = field(default_factory=list, init=False)  # words for the person: folders that failed
    _flushed: float = field(default_factory=time.monotonic, init=False)

    def begin(self) -> None:
        """Bring the folders of a continued population to its start."""
        if self.plan.start:
            self._keep_copies(self.plan.start)  # a killed process may not have come to it
            self._drop_later_best()

    @contextmanager
    def ending_on_error(self, run: RunRecorder) -> Iterator[None]:
        """Around what is written into a run's folder: an error of the folder ends this run alone, and is noted.

        On leaving, a run that has ended, by such an error or otherwise, is closed.
        """
        try:
            yield
        except LockLostError as error:
            run.abandon(str(error))
            self.failures.append(str(error))
        except FileChangedError as error:
            run.end(layout.FAILED, str(error))
            self.failures.append(str(error))
        except OSError as error:
            run.end(layout.FAILED, cause(run.folder, error))
            self.failures.append(interrupted_writing(run.folder, error, modules_to_trust(flat(run.config))))
        if not run.running:
            with suppress(OSError, FileChangedError):  # it has been reported
                run.close()

    def close_all(self) -> None:
        """Close every run; a second call does nothing."""
        for run in self.runs:
            with self.ending_on_error(run):
                run.close()

    def save(self, done: int, now: bool) -> None:
        """Checkpoints where they are due, and tables and events on the disk before them, or every few seconds."""
        due = now or done % self.plan.checkpoint_every == 0 or done == self.plan.num_iterations
        if due or time.monotonic() - self._flushed > FLUSH_SECONDS:
            for run in self._still_running():
                with self.ending_on_error(run):
                    self.lock.verify(run.folder)
                    run.flush()
            self._flushed = time.monotonic()
        if due:
            state = checkpoints.to_cpu(self.ppo.state_dict())
            for m, run in enumerate(self.runs):
                if run.running:
                    with self.ending_on_error(run):
                        self._checkpoint(m, layout.LATEST, done, state, self._resume_state(m, done))
            self._keep_copies(done)

    def save_best(self, m: int, done: int) -> None:
        """Write a member's best.pt; to be called inside `ending_on_error` of that member's run."""
        self._checkpoint(m, layout.BEST, done, self.ppo.state_dict())

    def _still_running(self) -> list[RunRecorder]:
        return [run for run in self.runs if run.running]

    def _drop_later_best(self) -> None:
        """Remove what a killed process called best later than here: that future may not come again."""
        for run in self.runs:
            best = run.folder / layout.CHECKPOINTS / layout.BEST
            with self.ending_on_error(run), suppress(UserError):  # there is none, or it is damaged
                if Checkpoint.load(best).iteration > self.plan.start:
                    best.unlink()

    def _keep_copies(self, done: int) -> None:
        for run in self._still_running():
            with self.ending_on_error(run):
                checkpoints.keep_copy(run.folder / layout.CHECKPOINTS, done, run.config.checkpoint.keep)

    def _resume_state(self, m: int, done: int) -> dict[str, Any]:
        """The fields of a checkpoint that only resume needs: the recorder's state, and of a segment in progress the
        actions so far and the digests of what the task gave for them.
        """
        inside = done % self.plan.clock.segment_length > 0
        return {
            "run": self.runs[m].state_dict(),
            "actions": self.collector.actions(m) if inside else None,
            "digests": self.collector.digests(m) if inside else None,
        }

    def _checkpoint(
        self, m: int, name: str, done: int, state: dict[str, Any], resume_state: dict[str, Any] | None = None
    ) -> None:
        run = self.runs[m]
        agent = checkpoints.to_cpu(checkpoints.member_state(state, m))
        checkpoint = replace(self.templates[m], iteration=done, agent=agent, **(resume_state or {}))
        self._tell_lost_checkpoints(run, done)
        checkpoint.save(run.folder / layout.CHECKPOINTS / name)
        run.expected_checkpoints.add(name)

    def _tell_lost_checkpoints(self, run: RunRecorder, done: int) -> None:
        """Rows are not lost with a checkpoint, so the run goes on; but best.pt may stay away."""
        folder = run.folder / layout.CHECKPOINTS
        lost = sorted(name for name in run.expected_checkpoints if not (folder / name).exists())
        if lost and run.folder.is_dir():
            words = f"{', '.join(lost)} removed before iteration {done:,}; written again when next due"
            run.note("checkpoints", words)
            log.warning("%s: %s", folder, words)
            run.expected_checkpoints.difference_update(lost)
