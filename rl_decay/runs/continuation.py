"""May a run folder be continued with this configuration, and how its files are brought back to a checkpoint."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl_decay.config.identity import changed_keys, experiment_keys
from rl_decay.config.recorded import config_to_compare
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, one_line, shell_word
from rl_decay.runs import layout
from rl_decay.runs.durable import cut, require
from rl_decay.runs.files import entries, exists, require_inside
from rl_decay.runs.folder import RunFolder
from rl_decay.system.shell import absolute, as_typed

WRITTEN = (layout.SUMMARY, layout.METRICS, layout.EVALUATIONS, layout.CHECKPOINTS, layout.LOCK, ".hydra")


def same_experiment(config: Config, run: RunFolder) -> Config:
    """The configuration to continue a run with; UserError names what would make it another experiment.

    Keys that change nothing that is learned may differ. More total_steps need a `horizon`, which says what happens to
    the schedule; once given, it stays the run's own.
    """
    if not run.summary:
        return config
    recorded_run = config_to_compare(run.summary["config"], run.path / layout.SUMMARY)
    old = experiment_keys(recorded_run)
    config = _with_recorded_path(config, recorded_run.init_from)
    if re.fullmatch(rf"{re.escape(old['env.id'])}-v\d+", config.env.id):
        # the run was recorded when ids without a version were kept as they were typed
        config = replace(config, env=replace(config.env, id=old["env.id"]))
    new = experiment_keys(config)
    if new["total_steps"] == old["total_steps"] and config.horizon == "refuse":
        config = replace(config, horizon=old["horizon"])
    for key, (recorded_value, value) in changed_keys(old, experiment_keys(config)).items():
        if key not in ("total_steps", "horizon"):
            raise UserError(
                f"{key}={value}: the run in {run.path} has {key}={recorded_value}; another value is another run"
            )
    _check_horizon(config, run.path, old)
    return config


def with_absolute_paths(config: Config) -> Config:
    """The configuration of a new run, whose files are found from every folder in which it may be continued."""
    return config if config.init_from is None else replace(config, init_from=str(absolute(config.init_from)))


def _with_recorded_path(config: Config, recorded: str | None) -> Config:
    """The configuration with `init_from` as the run recorded it, if both name one file: older runs recorded it relative
    to the folder they were begun in, and their fingerprints hold it so.
    """
    if recorded is None or config.init_from is None or absolute(recorded) != absolute(config.init_from):
        return config
    return replace(config, init_from=recorded)


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


def continue_command(folder: Path, trust: Iterable[str]) -> str:
    """What a person types to continue the runs of a folder; `trust` are the modules that need the person's word."""
    flags = [f"--trust {shell_word(module)}" for module in dict.fromkeys(trust)]
    return " ".join(["python -m rl_decay.resume", as_typed(folder), *flags])


def changed_versions(summary: Mapping[str, Any], now: Mapping[str, str | None]) -> list[str]:
    """Packages whose version differs from the one that the run was begun with, as `name old -> new`."""
    before = summary.get("versions", {})
    changed = [name for name in now if name in before and before[name] != now[name]]
    return [f"{name} {one_line(before[name])} -> {now[name]}" for name in changed]


def check_links(folder: Path) -> None:
    """UserError if a file of the run's would be written through a link that leads out of the folder.

    An archive of a stranger's may hold such links; what continues a run cuts files, appends to them and replaces them.
    """
    for path in entries(folder):
        if path.name in WRITTEN or path.name.startswith(layout.EVENTS) or path.suffix in (".log", ".tmp"):
            require_inside(path, folder)


def cut_back(folder: Path, lengths: Mapping[str, int]) -> None:
    """Bring tables and event files back to the lengths {name: bytes} of a checkpoint; remove those that are not in it.

    UserError if one is shorter: rows are missing, and no run that goes on from there would be the same. OSError if one,
    or the folder, cannot be written; nothing has been cut then.
    """
    for name, length in lengths.items():
        require(folder / name, length)
    with tempfile.TemporaryFile(dir=folder):
        pass
    for name in filter(lambda name: exists(folder / name), lengths):
        with open(folder / name, "r+b"):
            pass
    for path in entries(folder):
        ours = path.name in (layout.METRICS, layout.EVALUATIONS) or path.name.startswith(layout.EVENTS)
        if ours and path.name not in lengths:
            path.unlink()
    for name, length in lengths.items():
        cut(folder / name, length)


def clear(folder: Path) -> None:
    """Remove what a run without a usable checkpoint has left, so that it can start anew."""
    cut_back(folder, {})
    for path in entries(folder / layout.CHECKPOINTS):
        if path.suffix == ".pt":
            path.unlink()
