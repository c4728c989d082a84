"""One member's run: its curve so far and everything it writes into its folder."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.plan import Plan
from rl_decay.config.schema import Config, flat
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.metrics.streaming import OscillationStream
from rl_decay.metrics.tasks import score, scored_task, unit
from rl_decay.runs import layout
from rl_decay.runs.continuation import clear, cut_back
from rl_decay.runs.durable import FileChangedError, require
from rl_decay.runs.events import EventFile
from rl_decay.runs.outcome import outcome
from rl_decay.runs.replays import with_difference
from rl_decay.runs.summary import write_summary
from rl_decay.runs.tables import CsvTable, evaluation_curve, read
from rl_decay.runs.unwritable import cause
from rl_decay.types import Episode

RETURNS_SHOWN = 100
HPARAM_COLUMNS = ("schedule.actor.curve", "schedule.critic.curve", "seed", "actor.lr", "critic.lr")  # shown first

log = logging.getLogger("rl_decay")


class RunSink:
    """Rows, events and summary of one run. Nothing is open between two calls of `flush`."""

    def __init__(
        self, folder: Path, config: Config, plan: Plan, record: dict[str, Any], resumed: dict[str, Any] | None = None
    ):
        self.folder, self.config, self.plan = folder, config, plan
        self.status, self.reason = layout.RUNNING, ""
        self._task = scored_task(config.env.id, config.env.kwargs, wrapper_paths(config.env.wrappers))
        self.valid_steps = self.iterations = 0
        self.env_steps: list[int] = []  # of the evaluations
        self.eval_returns: list[float] = []
        self._episodes: deque[float] = deque(maxlen=RETURNS_SHOWN)
        self._stream = OscillationStream(end=plan.total_steps, share=LATE_SHARE)
        self._record = record
        self._closed = False
        self.saved = {layout.LATEST} if resumed else set()  # checkpoints that should be there
        self.recorded = True  # False: summary.json could not be written, and only `summary()` says how the run ended
        self._older = dict(resumed["files"]) if resumed else {}  # lengths of the files of former processes
        self._started = time.perf_counter()
        if resumed is None:
            clear(folder)
        else:
            cut_back(folder, self._older)
        self._metrics = CsvTable(folder / layout.METRICS, _columns(folder / layout.METRICS, layout.METRIC_COLUMNS))
        evaluation_columns = layout.evaluation_columns(config.evaluation.episodes)
        self._evaluations = CsvTable(
            folder / layout.EVALUATIONS, _columns(folder / layout.EVALUATIONS, evaluation_columns)
        )
        if resumed is not None:
            self._restore(resumed)
        self.write_summary()
        self._events = self._open_events() if config.logger.tensorboard else None
        self.flush()

    def _open_events(self) -> EventFile:
        """An event file for this process; TensorBoard reads a run's files in the order of their names."""
        older = [name for name in self._older if name.startswith(layout.EVENTS)]
        if not older:
            events = EventFile(self.folder)
            events.layout(layout.CHARTS)
            events.hparams(flat(self.config), layout.FINAL_TAGS, first=HPARAM_COLUMNS)
        else:
            newest = max(int(name.removeprefix(layout.EVENTS).split(".")[0]) for name in older)
            events = EventFile(self.folder, max(time.time(), newest + 1))
            events.restart(self.env_steps_done + 1)
        for said in self._record["resumed"]:
            if "horizon" in said and said["iteration"] >= self.iterations:  # an earlier file with this note was cut off
                steps = f"{said['total_steps_before']:,} to {said['total_steps']:,} steps"
                events.text("horizon", self.env_steps_done, f"{said['horizon']}: {steps}")
        return events

    def state_dict(self) -> dict[str, Any]:
        """What `resumed` takes, as plain values, right after a flush; the curve is read from evaluations.csv."""
        return {
            "files": dict(self._lengths),
            "iterations": self.iterations,
            "valid_steps": self.valid_steps,
            "wall_seconds": self.wall_seconds,
            "last_returns": list(self._episodes),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.iterations, self.valid_steps = state["iterations"], state["valid_steps"]
        self._started -= state["wall_seconds"]
        self._episodes.extend(state["last_returns"])
        for steps, mean in zip(*evaluation_curve(self.folder / layout.EVALUATIONS), strict=True):
            self._take(int(steps), float(mean))

    @property
    def env_steps_done(self) -> int:
        """Environment steps of the iterations so far."""
        return self.iterations * self.plan.steps_per_iteration

    @property
    def running(self) -> bool:
        """Whether the run still trains."""
        return self.status == layout.RUNNING

    @property
    def return_100(self) -> float:
        """Mean return of the last 100 training episodes; NaN before the first."""
        return float(np.mean(self._episodes)) if self._episodes else math.nan

    def end(self, status: str, reason: str = "") -> None:
        """Fix how the run ended; the first word stands."""
        if self.running:
            self.status, self.reason = status, reason

    def not_exact(self, reason: str) -> None:
        """Say in log and summary.json that the continuation which has just begun may differ from an undisturbed run."""
        self._record = with_difference(self._record, reason)
        log.warning("%s: not exact: %s; it is not a function of its reset seed", self.folder, reason)
        self.write_summary()

    def note(self, label: str, text: str) -> bool:
        """Add a line to the notes of summary.json; False if a note of this label is there."""
        notes = self._record["notes"]
        if any(note.startswith(f"{label}: ") for note in notes):
            return False
        self._record["notes"] = [*notes, f"{label}: {text}"]
        self.write_summary()
        return True

    def evaluation(self, iteration: int, returns: np.ndarray, lengths: np.ndarray, cut: int) -> dict[str, float]:
        """Write one evaluation [E], of whose episodes `cut` were cut, into evaluations.csv; return scalars by tag."""
        mean, steps = float(returns.mean()), iteration * self.plan.steps_per_iteration
        if not math.isfinite(mean):
            self.end(layout.DIVERGED, f"evaluation return not finite at iteration {iteration}")
            return {}
        oscillation, value = self._take(steps, mean)
        row = {"env_steps": steps, "iteration": iteration, "return_mean": mean, "return_std": float(returns.std())}
        row |= {"score": value if self._scored else None, "episode_length": float(lengths.mean())}
        row[layout.CUT] = cut
        row |= {f"return_{i}": float(r) for i, r in enumerate(returns)}
        self._evaluations.append(_without_later(row, self._evaluations))
        tags = {"eval/return": mean} | ({"eval/score": value} if self._scored else {})
        return tags | {tag: v for tag, v in oscillation.items() if tag in layout.TAGS}

    def _take(self, steps: int, mean: float) -> tuple[dict[str, float], float]:
        """Add a point to the curve; returns the oscillation so far by tag, and the score."""
        value = float(score(self._task, mean))
        self.env_steps.append(steps)
        self.eval_returns.append(mean)
        return {f"oscillation/{name}": v for name, v in self._stream.add(steps, value).items()}, value

    def row(self, iteration: int, scalars: Mapping[str, Any], episodes: list[Episode], valid_steps: int) -> None:
        """Write one iteration's scalars into metrics.csv and the event file."""
        self.iterations, self.valid_steps = iteration, self.valid_steps + valid_steps
        self._episodes.extend(e.total_reward for e in episodes)
        charts: dict[str, Any] = {"charts/SPS": self.valid_steps / self.wall_seconds}
        if episodes:
            charts["charts/episodic_return"] = float(np.mean([e.total_reward for e in episodes]))
            charts["charts/episodic_length"] = float(np.mean([e.length for e in episodes]))
        if self._episodes:
            charts["charts/return_100"] = self.return_100
        steps = iteration * self.plan.steps_per_iteration
        counters = {"env_steps": steps, "iteration": iteration, "valid_steps": self.valid_steps}
        self._metrics.append(_without_later(counters | charts | dict(scalars), self._metrics))
        if self._events is not None:
            self._events.scalars(steps, charts | dict(scalars))

    @property
    def wall_seconds(self) -> float:
        """Seconds of training, those of former processes included."""
        return time.perf_counter() - self._started

    def flush(self) -> None:
        """Force what was written so far to the disk; FileChangedError where a file is no longer as the run left it."""
        for name, length in self._older.items():
            if name.startswith(layout.EVENTS):  # nothing more is written there, but the next checkpoint relies on it
                require(self.folder / name, length)
        if not layout.is_run(self.folder):  # it was removed, and nothing in it is lost
            self.write_summary()
        lengths = {layout.METRICS: self._metrics.flush(), layout.EVALUATIONS: self._evaluations.flush()}
        if self._events is not None:
            lengths[self._events.path.name] = self._events.flush()
        self._lengths = self._older | lengths

    def close(self) -> None:
        """Write the final numbers, flush, and leave a summary.json that says how the run ended; only once."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._events is not None:
                said = self.summary()
                final: dict[str, Any] = dict(zip(layout.FINAL_TAGS, (said["final_return"], said["osc_late"])))
                self._events.scalars(self.env_steps_done, final)
                self._events.session_end(self.status)
            self.flush()
        except FileChangedError as error:
            self.status, self.reason = layout.FAILED, str(error)
            raise
        except OSError as error:
            self.status, self.reason = layout.FAILED, cause(self.folder, error)
            raise
        finally:
            self._write_last_summary()

    def abandon(self, reason: str) -> None:
        """End the run without another byte in its folder, which belongs to another training now."""
        self.end(layout.FAILED, reason)
        self._closed, self.recorded = True, False

    def _write_last_summary(self) -> None:
        try:
            self.write_summary()
        except OSError as error:
            self.recorded = False
            if self.status != layout.FAILED:
                self.status, self.reason = layout.FAILED, cause(self.folder, error)
                raise

    def write_summary(self) -> None:
        """Write summary.json as things stand."""
        write_summary(self.folder, self.summary())

    def summary(self) -> dict[str, Any]:
        """Everything summary.json holds."""
        progress = {
            "env_steps": self.env_steps_done,
            "valid_steps": self.valid_steps,
            "iterations": self.iterations,
            "wall_seconds": self.wall_seconds,
            "steps_per_second": self.valid_steps / self.wall_seconds,
        }
        curve = np.array(self.env_steps, float), np.array(self.eval_returns)
        return {
            "status": self.status,
            "reason": self.reason or None,
            **self._record,
            **progress,
            **outcome(self._task, *curve, self.plan.total_steps),
        }

    @property
    def _scored(self) -> bool:
        return unit(self._task) == "score"


def _columns(path: Path, columns: Sequence[str]) -> Sequence[str]:
    """The columns of a table to write: those that it has, where it was begun before the later ones came."""
    header = read(path) if path.exists() else {}
    if not header:
        return columns
    return [name for name in columns if name in header or name not in layout.LATER_COLUMNS]


def _without_later(row: Mapping[str, Any], table: CsvTable) -> dict[str, Any]:
    """A row without the later columns that the table lacks."""
    return {name: value for name, value in row.items() if name in table.columns or name not in layout.LATER_COLUMNS}
