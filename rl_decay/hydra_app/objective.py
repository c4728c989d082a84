"""The number that a run hands to a sweeper which chooses the next jobs by it."""

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
    """A run's final return; without one, a value worse than all of its study, or NaN where no sweeper optimises.

    `hydra` is Hydra's part of the run's configuration. A study that is told NaN ends with an error (Optuna), and one
    that is told of a failure learns nothing of its region. The value lies behind the worst by the spread of the final
    returns, and by at least 1, or a failed trial could be called the best; it is infinite before there is any return.
    """
    if final_return is not None and not math.isnan(final_return):
        return final_return
    direction = (hydra.sweeper or {}).get("direction")
    if direction is None:
        return math.nan
    returns = list(_final_returns(run_folders(Path(str(hydra.sweep.dir)))))
    spread = max(max(returns) - min(returns), 1.0) if returns else math.inf
    if maximises(direction):
        return min(returns, default=0.0) - spread
    return max(returns, default=0.0) + spread


def maximises(direction: Any) -> bool:
    """Whether Optuna's `direction`, or the first of several, is to maximise."""
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
