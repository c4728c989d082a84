"""Train one population of a sweep, inside a worker process or not."""

from __future__ import annotations

import traceback

from rl_decay.config.plan import Plan
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, error_words
from rl_decay.runs.layout import FAILED
from rl_decay.sweeps.grouping import Population
from rl_decay.sweeps.record_endings import Unrecorded, record_endings
from rl_decay.sweeps.reporter import Asked, Listener, Reporter
from rl_decay.training.population import train_population


def train_jobs(index: int, population: Population, listen: Listener, asked: Asked) -> list[Unrecorded]:
    """Train a population in this process; returns the failures that no summary.json could take.

    What it raises is written into the summaries of the jobs that had not ended.
    """

    def show(config: Config, plan: Plan, device: str) -> Reporter:
        return Reporter(index, population, plan, listen, asked)

    try:
        results = train_population(population, show=show)
    except UserError as error:
        return record_endings(population, FAILED, str(error))
    except Exception as error:
        traceback.print_exc()
        return record_endings(population, FAILED, error_words(error))
    return [(result.folder, result.summary["reason"]) for result in results if not result.recorded]
