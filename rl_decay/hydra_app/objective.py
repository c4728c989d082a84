"""The objective of a run, by which a sweeper such as Optuna chooses the next jobs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rl_decay.errors import UserError
from rl_decay.runs.layout import is_run
from rl_decay.runs.summary import read_summary
from rl_decay.runs.sweep_folder import run_folders


def objective(final_return: float | None, hydra: Any) -> float:
    """A run's final return; without one, a value worse than all in its study, or NaN if no sweeper optimises.

    `hydra` is Hydra's part of the run's configuration. NaN would end an Optuna study with an error, and a failed trial
    would teach it nothing about the region. The distance to the worst return is the spread of the final returns, and at
    least 1, or a failed trial could become the best. Before there is any return the value is infinite.
    """
    if final_return is not None and not math.isnan(final_return):
        return final_return
    direction = (hydra.sweeper or {}).get("direction")
    if direction is None:
        return math.nan
    returns = list(_final_returns(run_folders(Path(str(hydra.sweep.dir)))))
    if not returns:
        return -math.inf if maximises(direction) else math.inf
    spread = max(max(returns) - min(returns), 1.0)
    return min(returns) - spread if maximises(direction) else max(returns) + spread


def maximises(direction: Any) -> bool:
    """Whether Optuna's `direction`, or the first of several, is to maximise."""
    # A text, a list of texts, or an enum whose str() is "Direction.maximize".
    first = direction if isinstance(direction, str) or not isinstance(direction, Iterable) else next(iter(direction))
    return str(first).rpartition(".")[2].lower() == "maximize"


def _final_returns(folders: Iterable[Path]) -> Iterator[float]:
    for folder in folders:
        try:
            value = read_summary(folder).get("final_return") if is_run(folder) else None
        except UserError:  # a damaged summary is reported at the sweep's end
            continue
        if value is not None:
            yield value
