"""A run folder: the name of a new one, and an existing one opened, its summary read once."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.kinds import Fields
from rl_decay.config.recorded import config_to_train
from rl_decay.config.schema import Config
from rl_decay.errors import UserError
from rl_decay.runs.layout import CHECKPOINTS, DIVERGED, FINISHED, LATEST, SUMMARY, is_run
from rl_decay.runs.summary import SUMMARY_KINDS, read_summary, require_kinds

# Optional in a summary, but needed to continue the run: a refused run has none of them, and no configuration.
NEEDED_TO_CONTINUE = ("overrides", "segment_length", "horizon_iterations", "held_at", "device", "iterations")


class RunFolder:
    """A folder and the run in it, as its summary was at the first access; later changes on the disk are not seen."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The summary of the run; {} if the folder has no run, or its run was refused before it had a configuration.

        UserError for a summary with a configuration that lacks a key needed to continue the run.
        """
        summary = read_summary(self.path) if is_run(self.path) else {}
        if "config" not in summary:
            return {}
        needed = Fields({key: SUMMARY_KINDS.optional[key] for key in NEEDED_TO_CONTINUE})
        require_kinds(summary, needed, self.path / SUMMARY)
        return summary

    @property
    def latest(self) -> Path:
        """The checkpoint from which the run goes on."""
        return self.path / CHECKPOINTS / LATEST

    def config(self, trust: Collection[str]) -> Config:
        """The configuration of the run, to make its task: code that it names is installed or in `trust`.

        UserError if there is no run, if another version recorded it, or if it names code that nobody has vouched for.
        """
        if not self.summary:
            raise UserError(f"{self.path}: no run to continue, for it holds no {SUMMARY} with a configuration")
        return config_to_train(self.summary["config"], trust, self.path / SUMMARY)

    def nothing_left(self, config: Config) -> bool:
        """Whether nothing is left to train of this run; `config` has passed `same_experiment`.

        A failed or interrupted run is continued, and so is a finished run with more total_steps in `config`: it is to
        be made longer. A diverged run is not: it would diverge again.
        """
        status = self.summary.get("status")
        total_steps = self.summary.get("config", {}).get("total_steps")
        return status == DIVERGED or (status == FINISHED and total_steps == config.total_steps)


def short_fingerprint(config: Config) -> str:
    """The first 8 characters of a run's fingerprint, for folder names."""
    return fingerprint(experiment_values(config))[:8]


def default_folder(config: Config, timestamp: str) -> str:
    """The default folder: runs/<task>/<actor curve>-<critic curve>/seed<seed>-<timestamp>-<8 of the fingerprint>.

    `timestamp` has seconds. Different runs that start in the same second get different folders by their fingerprints.
    """
    curves = f"{config.schedule.actor.curve}-{config.schedule.critic.curve}"
    return f"runs/{config.env.id}/{curves}/seed{config.seed}-{timestamp}-{short_fingerprint(config)}"
