"""May a run folder be continued with a configuration, and how its files are cut back to a checkpoint."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl_decay.config.identity import changed_values, experiment_values
from rl_decay.config.recorded import config_to_compare
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, one_line, shell_word
from rl_decay.runs import layout
from rl_decay.runs.durable import check_length, truncate_synced
from rl_decay.runs.files import entries, exists, require_inside
from rl_decay.runs.folder import RunFolder
from rl_decay.system.shell import absolute, as_typed

# Files and folders that a continued run appends to, cuts or replaces, beside events, logs and temporary files.
WRITTEN_NAMES = (layout.SUMMARY, layout.METRICS_CSV, layout.EVALUATIONS_CSV, layout.CHECKPOINTS, layout.LOCK, ".hydra")


def same_experiment(config: Config, run_folder: RunFolder) -> Config:
    """The configuration to continue a run with; UserError names what would make it another experiment.

    Keys without influence on what is learned may differ. More total_steps need a `horizon`, which says what happens to
    the schedule; from then on it is part of the run.
    """
    if not run_folder.summary:
        return config
    recorded_run = config_to_compare(run_folder.summary["config"], run_folder.path / layout.SUMMARY)
    old_values = experiment_values(recorded_run)
    config = _with_recorded_path(config, recorded_run.init_from)
    # Older versions recorded an id without its version if it was typed so; the fingerprint of such a run holds it so.
    if re.fullmatch(rf"{re.escape(old_values['env.id'])}-v\d+", config.env.id):
        config = replace(config, env=replace(config.env, id=old_values["env.id"]))
    # Repeating the command of an extended run without its horizon means the same run.
    if config.total_steps == old_values["total_steps"] and config.horizon == "refuse":
        config = replace(config, horizon=old_values["horizon"])
    for key, (recorded_value, value) in changed_values(old_values, experiment_values(config)).items():
        if key not in ("total_steps", "horizon"):
            raise UserError(
                f"{key}={value}: the run in {run_folder.path} has {key}={recorded_value}; another value is another run"
            )
    _check_horizon(config, run_folder.path, old_values)
    return config


def with_absolute_paths(config: Config) -> Config:
    """The configuration with absolute paths, so that the run can be continued from every working folder."""
    return config if config.init_from is None else replace(config, init_from=str(absolute(config.init_from)))


def _with_recorded_path(config: Config, recorded: str | None) -> Config:
    """The configuration with `init_from` in the recorded spelling, if both spellings name one file.

    Older versions recorded a path relative to the working folder, and the fingerprints of their runs hold it so.
    """
    if recorded is None or config.init_from is None or absolute(recorded) != absolute(config.init_from):
        return config
    return replace(config, init_from=recorded)


def _check_horizon(config: Config, folder: Path, old_values: Mapping[str, Any]) -> None:
    """UserError for fewer steps, for more steps without a horizon, and for a new horizon without more steps."""
    before = old_values["total_steps"]
    after = config.total_steps
    if after < before:
        raise UserError(f"total_steps={after}: the run in {folder} has {before}; fewer would be another run")
    if after > before and config.horizon == "refuse":
        raise UserError(
            f"total_steps={after}: the run in {folder} has {before}, and its schedule ends there; say what becomes of "
            "it: horizon=keep (the old slope, then its last value), stretch (over the new total) or hold (as it is)"
        )
    if after == before and config.horizon != old_values["horizon"]:
        raise UserError(f"horizon={config.horizon}: total_steps={after} is no more than the run in {folder} has")


def continue_command(folder: Path, trust: Iterable[str]) -> str:
    """The command that continues the runs of a folder; `trust`: modules whose code the person must vouch for."""
    flags = [f"--trust {shell_word(module)}" for module in dict.fromkeys(trust)]
    return " ".join(["python -m rl_decay.resume", as_typed(folder), *flags])


def changed_versions(summary: Mapping[str, Any], present: Mapping[str, str | None]) -> list[str]:
    """Packages with another version than at the run's beginning, as `name old -> new`."""
    before = summary.get("versions", {})
    changes = []
    for name, version in present.items():
        if name in before and before[name] != version:
            changes.append(f"{name} {one_line(before[name])} -> {version}")
    return changes


def check_links(folder: Path) -> None:
    """UserError if a file of the run would be written through a link that leads out of the folder.

    A folder unpacked from a stranger's archive may hold such links, and continuing a run truncates and replaces files.
    """
    for path in entries(folder):
        if path.name in WRITTEN_NAMES or path.name.startswith(layout.EVENTS) or path.suffix in (".log", ".tmp"):
            require_inside(path, folder)


def cut_back(folder: Path, lengths: Mapping[str, int]) -> None:
    """Cut tables and event files back to the lengths {name: bytes} of a checkpoint; remove files without a length.

    UserError if a file is shorter: rows are missing, and the continued run would not be the same. OSError if a file or
    the folder cannot be written. In both cases nothing has been cut.
    """
    # All checks come first: a failure half-way would leave files of different iterations.
    for name, length in lengths.items():
        check_length(folder / name, length)
    with tempfile.TemporaryFile(dir=folder):  # is the folder writable, and has the disk room?
        pass
    for name in lengths:
        if exists(folder / name):
            with open(folder / name, "r+b"):  # is the file writable?
                pass
    for path in entries(folder):
        is_table = path.name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV)
        if (is_table or path.name.startswith(layout.EVENTS)) and path.name not in lengths:
            path.unlink()
    for name, length in lengths.items():
        truncate_synced(folder / name, length)


def delete_run_files(folder: Path) -> None:
    """Remove tables, events and checkpoints of a run without a usable checkpoint, so that it can start anew."""
    cut_back(folder, {})
    for path in entries(folder / layout.CHECKPOINTS):
        if path.suffix == ".pt":
            path.unlink()
