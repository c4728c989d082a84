"""Configurations that were read from a file. The file may be a stranger's, so they are checked before use.

Two doors: `config_to_compare` for numbers in a report, `config_to_train` for a configuration whose task will be made,
which may import code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from rl_decay.config.checks import check
from rl_decay.config.kinds import Kind, kind_problem
from rl_decay.config.schema import Config, unflat, walk
from rl_decay.config.trust import require_trust
from rl_decay.errors import UserError

KEY_KINDS: dict[str, Kind] = {key: about["kind"] for key, _, about in walk(Config())}
# The keys without which nobody knows what a run learned. The run may be older than all other keys.
NEEDED = [key for key, _, about in walk(Config()) if about["experiment"] and not about["later"]]


def config_to_train(values: Mapping[str, Any], trust: Collection[str], source: Path | str) -> Config:
    """The configuration of {dotted key: value} from a file, allowed to make its task.

    UserError, which names the file: as `config_to_compare`, for a value that cannot be run, and for a module that the
    configuration names and that is neither installed nor in `trust`.
    """
    config = config_to_compare(values, source)
    require_trust(values, trust, source)  # before anything can import the module
    try:
        return check(config)
    except UserError as error:
        raise UserError(f"{source}: {error}") from None


def config_to_compare(values: Mapping[str, Any], source: Path | str) -> Config:
    """The configuration of {dotted key: value} from a file, not allowed to make its task: its code is not trusted.

    UserError, which names the file, for a key that this version does not know, for a value of another kind, and if a
    key of NEEDED is missing.
    """
    for key in values:
        if key not in KEY_KINDS:
            raise UserError(f"{source}: its configuration has the key {key}, unknown to this version")
    for key in NEEDED:
        if key not in values:
            raise UserError(f"{source}: its configuration lacks the key {key}")
    check_kinds(values, source)
    return unflat(values)


def check_kinds(values: Mapping[str, Any], source: Path | str) -> None:
    """UserError, which names file and key, for a value of another kind than its key's; unknown keys are ignored."""
    for key, value in values.items():
        if key not in KEY_KINDS:  # of a newer version, or a name that is no key any more
            continue
        problem = kind_problem(value, KEY_KINDS[key], key)
        if problem:
            raise UserError(f"{source}: {problem}")
