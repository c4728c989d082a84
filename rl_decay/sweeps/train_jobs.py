"""Train one population of a sweep in the present process, which may be a worker or the main process."""

from __future__ import annotations

import traceback

from rl_decay.config.plan import Plan
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, error_words
from rl_decay.runs.layout import FAILED
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.record_endings import Unrecorded, record_endings
from rl_decay.sweeps.reporter import Listener, Reporter, StopReason
from rl_decay.training.population import train_population


def train_jobs(index: int, population: Population, listen: Listener, stop_reason: StopReason) -> list[Unrecorded]:
    """Train a population in this process; returns the failures that no summary.json could take.

    An exception ends this population alone: it is written into the summaries of its jobs that had not ended.
    """

    def show(config: Config, plan: Plan, device: str) -> Reporter:
        return Reporter(index, population, plan, listen, stop_reason)

    try:
        results = train_population(population, show=show)
    except UserError as error:
        return record_endings(population, FAILED, str(error))
    except Exception as error:
        traceback.print_exc()
        return record_endings(population, FAILED, error_words(error))
    return [(result.folder, result.summary["reason"]) for result in results if not result.recorded]
