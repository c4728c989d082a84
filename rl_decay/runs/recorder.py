"""The recorder of one member's run: its state so far, and everything that it writes into its folder."""

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
from rl_decay.config.schema import Config
from rl_decay.metrics.tasks import scored_task
from rl_decay.runs import layout
from rl_decay.runs.continuation import cut_back, delete_run_files
from rl_decay.runs.durable import FileChangedError, check_length
from rl_decay.runs.evaluation_history import EvaluationHistory
from rl_decay.runs.events import EventFile
from rl_decay.runs.run_events import note_extensions, open_events
from rl_decay.runs.summary import with_inexact_continuation, write_summary
from rl_decay.runs.tables import CsvTable, evaluation_returns, read
from rl_decay.runs.unwritable import cause
from rl_decay.types import Episode

RETURNS_SHOWN = 100

log = logging.getLogger("rl_decay")


class RunRecorder:
    """Rows, events and summary of one run. Between two calls of `flush` no file is open.

    header: what summary.json says of the run from its beginning (configuration, device, versions, ...).
    saved_state: the `state_dict` in the checkpoint from which the run goes on; None for a new run.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        plan: Plan,
        header: dict[str, Any],
        saved_state: dict[str, Any] | None = None,
    ):
        self.folder = folder
        self.config = config
        self.plan = plan
        self.status = layout.RUNNING
        self.reason = ""
        self.iterations = 0
        self.valid_steps = 0
        self.expected_checkpoints = {layout.LATEST} if saved_state else set()  # names of files
        self.recorded = True  # False: summary.json could not be written, and only `summary()` says how the run ended
        self._header = header
        task = scored_task(config.env.id, config.env.kwargs, wrapper_paths(config.env.wrappers))
        self._history = EvaluationHistory(task, plan.total_steps)
        self._last_returns: deque[float] = deque(maxlen=RETURNS_SHOWN)  # of training episodes
        self._closed = False
        self._older_lengths = dict(saved_state["files"]) if saved_state else {}  # of files from former processes
        self._started = time.perf_counter()
        if saved_state is None:
            delete_run_files(folder)
        else:
            cut_back(folder, self._older_lengths)
        self._metrics = _table(folder / layout.METRICS_CSV, layout.METRIC_COLUMNS)
        evaluation_columns = layout.evaluation_columns(config.evaluation.episodes)
        self._evaluations = _table(folder / layout.EVALUATIONS_CSV, evaluation_columns)
        if saved_state is not None:
            self._restore(saved_state)
        # The summary comes before the event file: a folder with a summary is known as a run, even after a kill here.
        self.write_summary()
        self._events: EventFile | None = None
        if config.logger.tensorboard:
            older_names = [name for name in self._older_lengths if name.startswith(layout.EVENTS)]
            self._events = open_events(folder, config, older_names, self.env_steps_done)
            note_extensions(self._events, header["resumed"], self.iterations, self.env_steps_done)
        # Not forced to the disk: until the first save, no checkpoint relies on these bytes.
        self.flush(force=False)

    def state_dict(self) -> dict[str, Any]:
        """The argument `saved_state` of the recorder that will continue the run, in plain values, right after a flush.

        It lacks the evaluations: they are read back from evaluations.csv.
        """
        return {
            "files": dict(self._lengths),
            "iterations": self.iterations,
            "valid_steps": self.valid_steps,
            "wall_seconds": self.wall_seconds,
            "last_returns": list(self._last_returns),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.iterations = state["iterations"]
        self.valid_steps = state["valid_steps"]
        self._started -= state["wall_seconds"]  # so that wall_seconds counts the former processes
        self._last_returns.extend(state["last_returns"])
        env_steps, returns = evaluation_returns(self.folder / layout.EVALUATIONS_CSV)
        for steps, mean_return in zip(env_steps, returns, strict=True):
            self._history.add(int(steps), float(mean_return))

    @property
    def env_steps_done(self) -> int:
        """Environment steps of the iterations so far."""
        return self.iterations * self.plan.steps_per_iteration

    @property
    def eval_returns(self) -> list[float]:
        """Mean return of each evaluation so far."""
        return self._history.returns

    @property
    def running(self) -> bool:
        """Whether the run still trains."""
        return self.status == layout.RUNNING

    @property
    def return_100(self) -> float:
        """Mean return of the last 100 training episodes; NaN before the first."""
        return float(np.mean(self._last_returns)) if self._last_returns else math.nan

    def end(self, status: str, reason: str = "") -> None:
        """Set how the run ended; only the first call counts."""
        if self.running:
            self.status = status
            self.reason = reason

    def not_exact(self, reason: str) -> None:
        """Report in log and summary.json that this continuation may differ from an undisturbed run."""
        self._header = with_inexact_continuation(self._header, reason)
        log.warning("%s: not exact: %s; it is not a function of its reset seed", self.folder, reason)
        self.write_summary()

    def note(self, label: str, text: str) -> bool:
        """Add a line to the notes of summary.json; False if a note with this label exists."""
        notes = self._header["notes"]
        if any(note.startswith(f"{label}: ") for note in notes):
            return False
        self._header["notes"] = [*notes, f"{label}: {text}"]
        self.write_summary()
        return True

    def evaluation(self, iteration: int, returns: np.ndarray, lengths: np.ndarray, cut: int) -> dict[str, float]:
        """Write one evaluation [E] into evaluations.csv and return its scalars by tag; `cut` counts the episodes that
        were cut at evaluation.max_steps.
        """
        mean_return = float(returns.mean())
        steps = iteration * self.plan.steps_per_iteration
        if not math.isfinite(mean_return):
            self.end(layout.DIVERGED, f"evaluation return not finite at iteration {iteration}")
            return {}
        score, oscillation = self._history.add(steps, mean_return)
        scalars = {"eval/return": mean_return}
        if self._history.has_scores:
            scalars["eval/score"] = score
        row = {
            "env_steps": steps,
            "iteration": iteration,
            "return_mean": mean_return,
            "return_std": float(returns.std()),
            "score": scalars.get("eval/score"),
            "episode_length": float(lengths.mean()),
            layout.CUT: cut,
        }
        for i, episode_return in enumerate(returns):
            row[f"return_{i}"] = float(episode_return)
        self._evaluations.append(_without_later_columns(row, self._evaluations))
        for name, value in oscillation.items():
            scalars[f"oscillation/{name}"] = value
        return scalars

    def row(self, iteration: int, scalars: Mapping[str, Any], episodes: list[Episode], valid_steps: int) -> None:
        """Write one iteration's scalars into metrics.csv and the event file."""
        self.iterations = iteration
        self.valid_steps += valid_steps
        self._last_returns.extend(episode.total_reward for episode in episodes)
        tags: dict[str, Any] = {"charts/SPS": self.valid_steps / self.wall_seconds}
        if episodes:
            tags["charts/episodic_return"] = float(np.mean([episode.total_reward for episode in episodes]))
            tags["charts/episodic_length"] = float(np.mean([episode.length for episode in episodes]))
        if self._last_returns:
            tags["charts/return_100"] = self.return_100
        tags.update(scalars)
        counters = {"env_steps": self.env_steps_done, "iteration": iteration, "valid_steps": self.valid_steps}
        self._metrics.append(_without_later_columns(counters | tags, self._metrics))
        if self._events is not None:
            self._events.scalars(self.env_steps_done, tags)

    @property
    def wall_seconds(self) -> float:
        """Seconds of training, those of former processes included."""
        return time.perf_counter() - self._started

    def flush(self, force: bool = True) -> None:
        """Write all rows and events; `force`: force them to the disk.

        FileChangedError if a file is no longer as the run left it.
        """
        for name, length in self._older_lengths.items():
            # This process does not write into older event files, but a checkpoint with their lengths relies on them.
            if name.startswith(layout.EVENTS):
                check_length(self.folder / name, length)
        # Somebody removed summary.json. Its content is all in memory, so the run need not fail.
        if not layout.is_run(self.folder):
            self.write_summary()
        lengths = {
            layout.METRICS_CSV: self._metrics.flush(force),
            layout.EVALUATIONS_CSV: self._evaluations.flush(force),
        }
        if self._events is not None:
            lengths[self._events.path.name] = self._events.flush(force)
        self._lengths = self._older_lengths | lengths

    def close(self) -> None:
        """Write the final numbers, flush, and leave a summary.json that says how the run ended; only once."""
        if self._closed:
            return
        self._closed = True
        # Status and reason are set before the error goes on, because `finally` writes them into summary.json.
        try:
            if self._events is not None:
                summary = self.summary()
                final_values = (summary["final_return"], summary["osc_late"])
                self._events.scalars(self.env_steps_done, dict(zip(layout.FINAL_TAGS, final_values, strict=True)))
                self._events.session_end(self.status)
            self.flush()
        except FileChangedError as error:
            self._fail(str(error))
            raise
        except OSError as error:
            self._fail(cause(self.folder, error))
            raise
        finally:
            self._write_last_summary()

    def _fail(self, reason: str) -> None:
        """Set the status to failed, also after `end`: a run whose last rows are lost has not finished."""
        self.status = layout.FAILED
        self.reason = reason

    def abandon(self, reason: str) -> None:
        """End the run without another byte in its folder, which belongs to another training now."""
        self.end(layout.FAILED, reason)
        self._closed = True
        self.recorded = False

    def _write_last_summary(self) -> None:
        try:
            self.write_summary()
        except OSError as error:
            self.recorded = False
            if self.status != layout.FAILED:  # else `close` is about to raise the first error
                self._fail(cause(self.folder, error))
                raise

    def write_summary(self) -> None:
        """Write summary.json with the present state."""
        write_summary(self.folder, self.summary())

    def summary(self) -> dict[str, Any]:
        """Everything summary.json holds."""
        return {
            "status": self.status,
            "reason": self.reason or None,
            **self._header,
            "env_steps": self.env_steps_done,
            "valid_steps": self.valid_steps,
            "iterations": self.iterations,
            "wall_seconds": self.wall_seconds,
            "steps_per_second": self.valid_steps / self.wall_seconds,
            **self._history.summary(),
        }


def _table(path: Path, columns: Sequence[str]) -> CsvTable:
    """A table of the run. A table that an older version began keeps its columns; the later ones are left out."""
    old_columns = read(path) if path.exists() else {}
    if old_columns:
        columns = [name for name in columns if name in old_columns or name not in layout.LATER_COLUMNS]
    return CsvTable(path, columns)


def _without_later_columns(row: Mapping[str, Any], table: CsvTable) -> dict[str, Any]:
    """The row for this table, without later columns that it lacks; every other unknown column stays an error."""
    return {name: value for name, value in row.items() if name in table.columns or name not in layout.LATER_COLUMNS}
