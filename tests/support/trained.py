"""Populations from configurations and folders, as tests think of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rl_decay.config.schema import Config
from rl_decay.runs.jobs import Job
from rl_decay.training.population import Result, ShowPlan, train_population


def train_configs(configs: Sequence[Config], folders: Sequence[Path], show: ShowPlan | None = None) -> list[Result]:
    """Train one population: member m as configs[m] says, into folders[m]."""
    jobs = [Job(m, config, folder) for m, (config, folder) in enumerate(zip(configs, folders, strict=True))]
    return train_population(jobs, show=show)
