"""The event file of a run: opened behind the files of former processes, with charts, HParams and notes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rl_decay.config.schema import Config, flat
from rl_decay.runs.events import EventFile
from rl_decay.runs.layout import CHARTS, EVENTS, FINAL_TAGS

HPARAM_COLUMNS = ("schedule.actor.curve", "schedule.critic.curve", "seed", "actor.lr", "critic.lr")  # shown first


def open_events(folder: Path, config: Config, older_names: Sequence[str], env_steps: int) -> EventFile:
    """An event file for this process, after `env_steps` environment steps of the run.

    older_names: the event files of former processes in the folder; the new name sorts behind them, because TensorBoard
    reads the files in the order of their names.
    """
    if not older_names:
        events = EventFile(folder)
        events.add_chart_layout(CHARTS)
        events.hparams(flat(config), FINAL_TAGS, first=HPARAM_COLUMNS)
        return events
    # The clock may have been set back since then, or the machine may be another one.
    newest = max(int(name.removeprefix(EVENTS).split(".")[0]) for name in older_names)
    events = EventFile(folder, max(time.time(), newest + 1))
    events.restart(env_steps + 1)
    return events


def note_extensions(
    events: EventFile, continuations: Iterable[Mapping[str, Any]], iteration: int, env_steps: int
) -> None:
    """Write a note for each continuation that made the run longer after `iteration` iterations, or later.

    Notes of earlier extensions are in older event files. Those of later ones were there too, if a process was killed
    before its next checkpoint, but cutting the files back has removed them.
    """
    for continuation in continuations:
        if "horizon" in continuation and continuation["iteration"] >= iteration:
            steps = f"{continuation['total_steps_before']:,} to {continuation['total_steps']:,} steps"
            events.text("horizon", env_steps, f"{continuation['horizon']}: {steps}")
