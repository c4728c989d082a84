"""Compose the jobs of a sweep from their overrides; no torch."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rl_decay.config.schema import Config
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked
from rl_decay.hydra_app.job_composer import JobComposer
from rl_decay.hydra_app.program import program
from rl_decay.runs.jobs import Job, title

SWEEP_KEY = "hydra.sweep.dir"
SUBDIR_KEY = "hydra.sweep.subdir"


@dataclass(frozen=True)
class Composed:
    """A composed job: Hydra's configuration (packed), the folder, and the Job for training (None: it cannot be run)."""

    packed: bytes
    folder: Path
    job: Job | None

    @property
    def hydra_config(self) -> DictConfig:
        """Hydra's configuration of the job, kept packed until now: a thousand would take hundreds of megabytes."""
        return pickle.loads(zlib.decompress(self.packed))


def pack(cfg: DictConfig) -> bytes:
    """Hydra's configuration of a job in about 4 kB."""
    return zlib.compress(pickle.dumps(cfg), 1)


def is_grid(hydra: Any) -> bool:
    """Whether the sweeper of Hydra's configuration knows all jobs from the start; Optuna chooses them one by one."""
    return str((hydra.sweeper or {}).get("_target_")).endswith("GridSweeper")


def trial(config: Config) -> Config:
    """The configuration of a job that a sweeper chose. With resume=auto, choosing it twice gives the existing run."""
    return replace(config, resume="auto")


def compose_folder(composer: JobComposer, overrides: Sequence[str], number: int) -> tuple[DictConfig, Path]:
    """One job of a sweep as Hydra sees it, and its folder; UserError for a folder outside the sweep's."""
    sweep = Path(str(composer.sweep_config.hydra.sweep.dir)).absolute()
    cfg = composer.compose(overrides)
    with open_dict(cfg):
        cfg.hydra.job.id = cfg.hydra.job.num = number
    # Interpolations such as ${hydra:job.num} in a folder's name read this global configuration. `set_config` would copy
    # the section, which takes longer than all else that is done for a job here.
    OmegaConf.set_readonly(cfg.hydra, True)
    HydraConfig.instance().cfg = cfg  # pyright: ignore[reportAttributeAccessIssue]
    job_sweep = Path(str(cfg.hydra.sweep.dir)).absolute()
    if job_sweep != sweep:
        raise UserError(
            f"{_title(cfg, number)}: {SWEEP_KEY}={job_sweep}: is another folder than the sweep's own, {sweep}; a sweep "
            f"has one folder, so put what tells its jobs apart into {SUBDIR_KEY}"
        )
    folder = Path(*(part for part in (sweep / str(cfg.hydra.sweep.subdir)).parts if part != "."))
    parts_below = folder.parts[len(sweep.parts) :]
    printable = all(part.isprintable() for part in parts_below)
    if sweep not in folder.parents or ".." in parts_below or not printable:
        raise UserError(
            f"{_title(cfg, number)}: {SUBDIR_KEY}={cfg.hydra.sweep.subdir}: is no folder below {SWEEP_KEY}={sweep}; "
            "the runs of a sweep lie in its folder, so give a relative name that can be printed"
        )
    # Hydra sets this in `run_job`, which the launcher `population` does not call.
    with read_write(cfg.hydra.runtime), open_dict(cfg.hydra.runtime):
        cfg.hydra.runtime.output_dir = str(folder)
    program().folders.append(folder)
    return cfg, folder


def job_of(cfg: DictConfig, folder: Path, number: int) -> Job:
    """The Job of a composed configuration; UserError, which names the job, if it cannot be run."""
    try:
        return Job(number, checked(cfg), folder, tuple(cfg.hydra.overrides.task), f"{cfg.hydra.job.name}.log")
    except UserError as error:
        raise UserError(f"{_title(cfg, number)}: {error}") from None


def _title(cfg: DictConfig, number: int) -> str:
    """The name of a job in messages, with its own overrides but not Hydra's."""
    overrides = OmegaConf.to_container(cfg.hydra.overrides.task)
    assert isinstance(overrides, list)
    return f"job {title(number, filter_overrides(overrides))}"
