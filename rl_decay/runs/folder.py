"""A run folder, opened: what its summary says, read once."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from rl_decay.config.kinds import Fields
from rl_decay.config.recorded import config_to_train
from rl_decay.config.schema import Config
from rl_decay.errors import UserError
from rl_decay.runs.layout import CHECKPOINTS, DIVERGED, FINISHED, LATEST, SUMMARY, is_run
from rl_decay.runs.summary import KINDS, read_summary, require_kinds

# what a summary with a configuration must hold, for the run to go on
CONTINUED = ("overrides", "segment_length", "horizon_iterations", "held_at", "device", "iterations")


class RunFolder:
    """A folder and the run that was found in it when it was first asked; what is written there later is not seen."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary of the run; {} where none has come so far as to have a configuration.

        UserError for a summary that lacks what a continuation needs.
        """
        summary = read_summary(self.path) if is_run(self.path) else {}
        if "config" not in summary:
            return {}
        require_kinds(summary, Fields({key: KINDS.optional[key] for key in CONTINUED}), self.path / SUMMARY)
        return summary

    @property
    def latest(self) -> Path:
        """The checkpoint from which the run goes on."""
        return self.path / CHECKPOINTS / LATEST

    def config(self, trust: Collection[str]) -> Config:
        """The configuration of the run, to make its task: code that it names is installed or in `trust`.

        UserError if there is no run, one of another version, or one that names code which nobody has vouched for.
        """
        if not self.summary:
            raise UserError(f"{self.path}: no run to continue, for it holds no {SUMMARY} with a configuration")
        return config_to_train(self.summary["config"], trust, self.path / SUMMARY)

    def has_ended(self, config: Config) -> bool:
        """Whether nothing is left to train of a run that `same_experiment` has let through."""
        status, total = self.summary.get("status"), self.summary.get("config", {}).get("total_steps")
        return status == DIVERGED or (status == FINISHED and total == config.total_steps)
