"""What the Hydra launcher `population` does: compose the jobs, train them as populations, hand their results back."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rl_decay.errors import UserError
from rl_decay.hydra_app.guard import REFUSED, refuse
from rl_decay.hydra_app.jobs import Composed, compose_job
from rl_decay.runs.layout import is_run
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.engine import Options, Sweep
from rl_decay.sweeps.grouping import record_jobs

log = logging.getLogger("rl_decay")


def launch(
    context: HydraContext,
    config: DictConfig,
    task: TaskFunction,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    options: Options,
) -> list[JobReturn]:
    """Train the jobs of a sweep and return what Hydra's own launcher would have: one JobReturn each, in order.

    Nothing starts, and exit code 1, if a job's configuration cannot be run, its folder holds a run (unless
    resume=auto), or two jobs share one. Job folders get Hydra's record before training; its callbacks fire around it.
    """
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    try:
        options.check("hydra.launcher.")
        loader = context.config_loader
        composed = [compose_job(loader, config, list(o), first + i) for i, o in enumerate(job_overrides)]
        for c in composed:
            if is_run(c.job.folder) and c.job.config.resume == "never":
                raise UserError(f"job {c.job.number}: {c.job.folder} holds a run already; nothing was changed")
        sweep = Sweep([c.job for c in composed], options)
    except UserError as error:
        refuse(str(error))
    record_jobs(sweep.jobs)
    for c in composed:
        if c.job.number not in sweep.ended:
            _record(c)
        context.callbacks.on_job_start(config=c.hydra_config, task_function=task)
    whole = sweep.train()
    REFUSED.extend(sweep.unrecorded)
    returns = [_job_return(c) for c in composed]
    for c, result in zip(composed, returns, strict=True):
        context.callbacks.on_job_end(config=c.hydra_config, job_return=result)
    if not whole:
        raise SystemExit(130)
    return returns


def _record(composed: Composed) -> None:
    """Hydra's own record of a job, where and how Hydra writes it."""
    folder = composed.job.folder / str(composed.hydra_config.hydra.output_subdir)
    folder.mkdir(parents=True, exist_ok=True)
    own, hydra = _split(composed.hydra_config)
    OmegaConf.save(own, folder / "config.yaml")
    OmegaConf.save(hydra, folder / "hydra.yaml")
    OmegaConf.save(composed.hydra_config.hydra.overrides.task, folder / "overrides.yaml")


def _split(cfg: DictConfig) -> tuple[DictConfig, DictConfig]:
    own, hydra = copy.deepcopy(cfg), OmegaConf.masked_copy(copy.deepcopy(cfg), ["hydra"])
    with read_write(own), open_dict(own):
        del own["hydra"]
    return own, hydra


def _job_return(composed: Composed) -> JobReturn:
    own, hydra = _split(composed.hydra_config)
    summary: dict[str, Any] = read_summary(composed.job.folder) if is_run(composed.job.folder) else {}
    value = summary.get("final_return")
    return JobReturn(
        overrides=list(composed.job.overrides),
        cfg=own,
        hydra_cfg=hydra,
        working_dir=str(Path.cwd()),
        task_name=composed.hydra_config.hydra.job.name,
        status=JobStatus.COMPLETED,  # a failed job does not fail the others; its summary.json says so
        _return_value=math.nan if value is None else value,
    )
