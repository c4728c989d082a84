"""Train one run in front of a person: its plan, its progress, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rl_decay.config.schema import Config
from rl_decay.console.terminal import Terminal
from rl_decay.envs.faults import TaskError
from rl_decay.errors import UserError, escaped
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import DIVERGED, INTERRUPTED
from rl_decay.system.shell import as_typed
from rl_decay.system.signals import INTERRUPTED_CODE
from rl_decay.training.population import Result, train_population

EXIT_CODES = {INTERRUPTED: INTERRUPTED_CODE, DIVERGED: 1}  # of the statuses other than success


def train(config: Config, folder: Path, overrides: Sequence[str]) -> Result:
    """Train or continue one run with plan, progress and results on the terminal; errors as `train_population`."""
    terminal = Terminal()
    try:
        (result,) = train_population([Job(0, config, folder, tuple(overrides))], show=terminal.show_plan)
    except TaskError as error:
        where = f" in {as_typed(folder)}" if error.log else ""
        raise UserError(f"{error}{where}") from error
    finally:
        terminal.stop()
    if result.trained:
        terminal.results([result.summary], folder)
    else:
        iterations = result.summary["iterations"]
        print(f"{escaped(as_typed(folder))}: {result.status} already, after {iterations:,} iterations; nothing to do")
    return result
