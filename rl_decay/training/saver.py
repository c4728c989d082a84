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
    runs: Sequence[RunRecorder]
    empty: Sequence[Checkpoint]  # per member: what all its checkpoints say
    lock: RunLock  # of the runs' folders
    failures: list[str] = field(default_factory=list, init=False)  # words for the person: folders that failed
    _flushed: float = field(default_factory=time.monotonic, init=False)

    def begin(self) -> None:
        """Bring the folders of a continued population to its start."""
        if self.plan.start:
            self._keep_copies(self.plan.start)  # a killed process may not have come to it
            self._drop_later_best()

    @contextmanager
    def writing(self, run: RunRecorder) -> Iterator[None]:
        """What goes wrong with a run's folder ends this run alone."""
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
            with self.writing(run):
                run.close()

    def save(self, done: int, now: bool) -> None:
        """Checkpoints where they are due, and tables and events on the disk before them, or every few seconds."""
        due = now or done % self.plan.checkpoint_every == 0 or done == self.plan.num_iterations
        if due or time.monotonic() - self._flushed > FLUSH_SECONDS:
            for run in self._still_running():
                with self.writing(run):
                    self.lock.verify(run.folder)
                    run.flush()
            self._flushed = time.monotonic()
        if due:
            state = checkpoints.to_cpu(self.ppo.state_dict())
            for m, run in enumerate(self.runs):
                if run.running:
                    with self.writing(run):
                        self._checkpoint(m, layout.LATEST, done, state, self._place(m, done))
            self._keep_copies(done)

    def save_best(self, m: int, done: int) -> None:
        """Write a member's best.pt; whoever calls it is `writing` that member's run."""
        self._checkpoint(m, layout.BEST, done, self.ppo.state_dict())

    def _still_running(self) -> list[RunRecorder]:
        return [run for run in self.runs if run.running]

    def _drop_later_best(self) -> None:
        """Remove what a killed process called best later than here: that future may not come again."""
        for run in self.runs:
            best = run.folder / layout.CHECKPOINTS / layout.BEST
            with self.writing(run), suppress(UserError):  # there is none, or it is damaged
                if Checkpoint.load(best).iteration > self.plan.start:
                    best.unlink()

    def _keep_copies(self, done: int) -> None:
        for run in self._still_running():
            with self.writing(run):
                checkpoints.keep_copy(run.folder / layout.CHECKPOINTS, done, run.config.checkpoint.keep)

    def _place(self, m: int, done: int) -> dict[str, Any]:
        """What a checkpoint holds for `resume` beside the agent: the run's files and counts, the actions of a segment
        in progress.
        """
        inside = done % self.plan.clock.segment_length > 0
        return {
            "run": self.runs[m].state_dict(),
            "actions": self.collector.actions(m) if inside else None,
            "digests": self.collector.digests(m) if inside else None,
        }

    def _checkpoint(
        self, m: int, name: str, done: int, state: dict[str, Any], place: dict[str, Any] | None = None
    ) -> None:
        run, agent = self.runs[m], checkpoints.to_cpu(checkpoints.member_state(state, m))
        checkpoint = replace(self.empty[m], iteration=done, agent=agent, **(place or {}))
        self._tell_lost_checkpoints(run, done)
        checkpoint.save(run.folder / layout.CHECKPOINTS / name)
        run.saved.add(name)

    def _tell_lost_checkpoints(self, run: RunRecorder, done: int) -> None:
        """Rows are not lost with a checkpoint, so the run goes on; but best.pt may stay away."""
        folder = run.folder / layout.CHECKPOINTS
        lost = sorted(name for name in run.saved if not (folder / name).exists())
        if lost and run.folder.is_dir():
            words = f"{', '.join(lost)} removed before iteration {done:,}; written again when next due"
            run.note("checkpoints", words)
            log.warning("%s: %s", folder, words)
            run.saved.difference_update(lost)
