"""From a sweep's overrides to its jobs, and the list of them that is left in its folder; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import filter_overrides
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked
from rl_decay.hydra_app.guard import refuse_unwritable
from rl_decay.sweeps.grouping import Job, record_jobs


@dataclass
class Composed:
    """A job as Hydra sees it, and as training does."""

    hydra_config: DictConfig
    job: Job


def compose_job(loader: ConfigLoader, config: DictConfig, overrides: list[str], number: int) -> Composed:
    """One job of a sweep; UserError names it where it cannot be run."""
    cfg = loader.load_sweep_config(config, overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = number
    HydraConfig.instance().set_config(cfg)
    folder = Path(str(cfg.hydra.sweep.dir), str(cfg.hydra.sweep.subdir)).absolute()
    with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
        cfg.hydra.runtime.output_dir = str(folder)
    try:
        job = Job(number, checked(cfg), folder, tuple(cfg.hydra.overrides.task), f"{cfg.hydra.job.name}.log")
    except UserError as error:
        raise UserError(f"job {number} ({' '.join(filter_overrides(overrides))}): {error}") from None
    return Composed(cfg, job)


class JobList(Callback):
    """List the jobs of a sweep in its folder before Hydra's own launchers begin with them.

    The population launcher lists them itself, and a sweeper that chooses jobs as it goes has none to list.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Write jobs.json; jobs that cannot be run are left out, and said so when their turn comes."""
        ours = str(config.hydra.launcher.get("_target_", "")).endswith("PopulationLauncher")
        if not ours and str(config.hydra.sweeper.get("_target_", "")).endswith("BasicSweeper"):
            params = [f"{key}={value}" for key, value in (config.hydra.sweeper.get("params") or {}).items()]
            jobs = _jobs(config, [*params, *config.hydra.overrides.task])
            if jobs:
                try:
                    record_jobs(jobs)
                except OSError as error:  # Hydra would go on after any error of a callback but SystemExit
                    refuse_unwritable(error)


def _jobs(config: DictConfig, overrides: Sequence[str]) -> list[Job]:
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create(loader).parse_overrides(list(overrides))
    jobs = []
    for number, words in enumerate(BasicSweeper.split_arguments(parsed, None)[0]):
        try:
            jobs.append(compose_job(loader, config, list(words), number).job)
        except (UserError, HydraException, OmegaConfBaseException):
            continue
    return jobs
