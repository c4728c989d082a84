"""May a run folder be continued with this configuration, and how its files are brought back to a checkpoint."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl_decay.config.schema import Config, unflat
from rl_decay.errors import UserError
from rl_decay.runs import layout
from rl_decay.runs.durable import cut, require
from rl_decay.runs.summary import changed_keys, experiment_keys, read_summary

ENDED = (layout.FINISHED, layout.DIVERGED)  # a diverged run would diverge again


def recorded(folder: Path) -> dict[str, Any]:
    """The summary of the run in a folder; {} where none has come so far as to have a configuration."""
    summary = read_summary(folder) if layout.is_run(folder) else {}
    return summary if "config" in summary else {}


def recorded_config(folder: Path) -> Config:
    """The configuration of the run in a folder; UserError if there is none, or one of another version."""
    summary = recorded(folder)
    if not summary:
        raise UserError(f"{folder}: no run to continue, for it holds no {layout.SUMMARY} with a configuration")
    try:
        return unflat(summary["config"])
    except KeyError as error:
        raise UserError(f"{folder}: its configuration has the key {error.args[0]}, unknown to this version") from None


def same_experiment(config: Config, folder: Path) -> Config:
    """The configuration to continue a folder's run with; UserError names what would make it another experiment.

    Keys that change nothing that is learned may differ. More total_steps need a `horizon`, which says what happens to
    the schedule; once given, it stays the run's own.
    """
    summary = recorded(folder)
    if not summary:
        return config
    old = experiment_keys(recorded_config(folder))
    if re.fullmatch(rf"{re.escape(old['env.id'])}-v\d+", config.env.id):
        # the run was recorded when ids without a version were kept as they were typed
        config = replace(config, env=replace(config.env, id=old["env.id"]))
    new = experiment_keys(config)
    if new["total_steps"] == old["total_steps"] and config.horizon == "refuse":
        config = replace(config, horizon=old["horizon"])
    for key, (before, after) in changed_keys(old, experiment_keys(config)).items():
        if key not in ("total_steps", "horizon"):
            raise UserError(f"{key}={after}: the run in {folder} has {key}={before}; another value is another run")
    _check_horizon(config, folder, old)
    return config


def _check_horizon(config: Config, folder: Path, old: Mapping[str, Any]) -> None:
    before, after = old["total_steps"], config.total_steps
    if after < before:
        raise UserError(f"total_steps={after}: the run in {folder} has {before}; fewer would be another run")
    if after > before and config.horizon == "refuse":
        raise UserError(
            f"total_steps={after}: the run in {folder} has {before}, and its schedule ends there; say what becomes of "
            "it: horizon=keep (the old slope, then its last value), stretch (over the new total) or hold (as it is)"
        )
    if after == before and config.horizon != old["horizon"]:
        raise UserError(f"horizon={config.horizon}: total_steps={after} is no more than the run in {folder} has")


def has_ended(config: Config, summary: Mapping[str, Any]) -> bool:
    """Whether nothing is left to train of a run that `same_experiment` has let through."""
    status, total = summary.get("status"), summary.get("config", {}).get("total_steps")
    return status == layout.DIVERGED or (status == layout.FINISHED and total == config.total_steps)


def continue_command(folder: Path) -> str:
    """What a person types to continue the runs of a folder."""
    return f"python -m rl_decay.resume {shlex.quote(str(folder))}"


def changed_versions(summary: Mapping[str, Any], now: Mapping[str, str | None]) -> list[str]:
    """Packages whose version differs from the one that the run was begun with, as `name old -> new`."""
    before = summary.get("versions", {})
    return [f"{name} {before[name]} -> {now[name]}" for name in now if name in before and before[name] != now[name]]


def cut_back(folder: Path, lengths: Mapping[str, int]) -> None:
    """Bring tables and event files back to the lengths {name: bytes} of a checkpoint; remove those that are not in it.

    UserError if one is shorter: rows are missing, and no run that goes on from there would be the same.
    """
    for name, length in lengths.items():
        require(folder / name, length)
    tables = [path for path in (folder / layout.METRICS, folder / layout.EVALUATIONS) if path.exists()]
    for path in {*tables, *folder.glob(f"{layout.EVENTS}*")}:
        if path.name not in lengths:
            path.unlink()
    for name, length in lengths.items():
        cut(folder / name, length)


def clear(folder: Path) -> None:
    """Remove what a run without a usable checkpoint has left, so that it can start anew."""
    cut_back(folder, {})
    for path in (folder / layout.CHECKPOINTS).glob("*.pt"):
        path.unlink()
