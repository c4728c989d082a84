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
    """A run's final return; for a run without one the worst of its study, or NaN where no sweeper optimises.

    `hydra` is Hydra's own part of the run's configuration.
    A study ends with an error where it is told NaN (Optuna), and learns nothing of a region whose trials count as
    failed. Before any run of the study has a final return, the worst is the infinity that is no better.
    """
    if final_return is not None and not math.isnan(final_return):
        return final_return
    direction = (hydra.sweeper or {}).get("direction")
    if direction is None:
        return math.nan
    seen = list(_final_returns(run_folders(Path(str(hydra.sweep.dir)))))
    return min(seen, default=-math.inf) if maximises(direction) else max(seen, default=math.inf)


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
