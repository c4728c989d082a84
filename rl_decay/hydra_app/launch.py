"""The work of the Hydra launcher `population`: compose the jobs, train them as populations, return their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from rl_decay.errors import UserError
from rl_decay.hydra_app.grid import check_free, with_progress
from rl_decay.hydra_app.job_composer import JobComposer
from rl_decay.hydra_app.objective import objective
from rl_decay.hydra_app.program import program
from rl_decay.hydra_app.refusals import refuse, refuse_run
from rl_decay.hydra_app.sweep_jobs import Composed, compose_folder, is_grid, job_of, pack, trial
from rl_decay.hydra_app.yaml_texts import YamlTexts
from rl_decay.runs.jobs import Job, record_jobs
from rl_decay.runs.layout import is_run
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.sweep import Options, Sweep
from rl_decay.system.signals import INTERRUPTED_CODE


def launch(
    context: HydraContext,
    config: DictConfig,
    task: TaskFunction,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    options: Options,
) -> list[JobReturn]:
    """Train the jobs of a sweep and return one JobReturn each, in order, as Hydra's own launcher does.

    If the configuration of a job cannot be run, its folder holds a run (unless resume=auto), or two jobs share a
    folder, no job starts and the exit code is 1. For a sweeper that chooses its jobs one by one, such a job is a failed
    one. Job folders get Hydra's record before training, and Hydra's callbacks are called before and after it.
    """
    # These two calls are those of Hydra's own launcher.
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    folder = Path(str(config.hydra.sweep.dir)).absolute()
    compose = _compose_grid if is_grid(config.hydra) else _compose_trials
    try:
        options.check("hydra.launcher.")
        if not job_overrides:
            raise UserError("the sweep has no job; give each key at least one value")
        # All jobs are composed before the first is trained, so that a mistake in the last one is found in time.
        composed = list(compose(context, config, job_overrides, first))
        jobs = [composed_job.job for composed_job in composed if composed_job.job is not None]
        sweep = Sweep(jobs, options, folder)
    except UserError as error:
        refuse(str(error))
    record_jobs(folder, jobs)
    texts = YamlTexts()
    for composed_job in composed:
        cfg = composed_job.hydra_config
        # A run of which nothing is left to train keeps the record of the command that trained it.
        if composed_job.job is not None and composed_job.job.number not in sweep.done_jobs:
            _write_hydra_record(cfg, composed_job.folder, texts)
        context.callbacks.on_job_start(config=cfg, task_function=task)
    complete = sweep.train()
    program().refused.update(sweep.unrecorded)
    returns = _end_jobs(context, composed)
    if not complete:
        raise SystemExit(INTERRUPTED_CODE)
    return returns


def _end_jobs(context: HydraContext, composed: Sequence[Composed]) -> list[JobReturn]:
    """Call Hydra's callbacks at the end of each job; returns what Hydra's launcher returns."""
    returns = []
    for composed_job in composed:
        cfg = composed_job.hydra_config
        job_return = _job_return(cfg, composed_job)
        returns.append(job_return)
        context.callbacks.on_job_end(config=cfg, job_return=job_return)
    return returns


def _compose_grid(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> Iterator[Composed]:
    """The jobs of a grid; UserError for a job that cannot be run."""
    composer = JobComposer(context.config_loader, config)
    for number, overrides in enumerate(with_progress(job_overrides), start=first):
        cfg, folder = compose_folder(composer, overrides, number)
        job = job_of(cfg, folder, number)
        check_free(job)
        yield Composed(pack(cfg), folder, job)


def _compose_trials(
    context: HydraContext, config: DictConfig, job_overrides: Sequence[Sequence[str]], first: int
) -> Iterator[Composed]:
    """The jobs that a sweeper chose. An invalid job has failed; a job that is chosen twice is trained once."""
    batch: dict[Path, Job] = {}
    composer = JobComposer(context.config_loader, config)
    for number, overrides in enumerate(job_overrides, start=first):
        cfg, folder = compose_folder(composer, overrides, number)
        job = None
        try:
            chosen = job_of(cfg, folder, number)
            job = replace(chosen, config=trial(chosen.config))
        except UserError as error:
            refuse_run(str(error), folder, list(cfg.hydra.overrides.task), alone=False)
        if job is not None:
            # Two DIFFERENT jobs of one folder both stay, so that Sweep refuses them.
            is_repeated = folder in batch and batch[folder].config == job.config
            if is_repeated:
                job = None
            else:
                batch[folder] = job
        yield Composed(pack(cfg), folder, job)


def _write_hydra_record(cfg: DictConfig, job_folder: Path, texts: YamlTexts) -> None:
    """Write Hydra's record of a job, in the place and form in which Hydra's own launcher writes it."""
    if cfg.hydra.output_subdir is None:
        return
    folder = job_folder / str(cfg.hydra.output_subdir)
    folder.mkdir(parents=True, exist_ok=True)
    content: Any = OmegaConf.to_container(cfg, enum_to_str=True)
    hydra = content.pop("hydra")
    (folder / "config.yaml").write_text(texts.text(content), "utf-8")
    (folder / "hydra.yaml").write_text(texts.text({"hydra": hydra}), "utf-8")
    (folder / "overrides.yaml").write_text(texts.list_text(hydra["overrides"]["task"]), "utf-8")


class _JobReturn(JobReturn):
    """What Hydra's launcher returns of a job; its configurations are made only for a callback that reads them."""

    composed_job: Composed

    @property
    def cfg(self) -> DictConfig:  # type: ignore[override]
        """The configuration without its section `hydra`."""
        cfg = self.composed_job.hydra_config
        with read_write(cfg), open_dict(cfg):
            del cfg["hydra"]
        return cfg

    @cfg.setter
    def cfg(self, value: None) -> None:
        """Ignore the default of JobReturn."""

    @property
    def hydra_cfg(self) -> DictConfig:  # type: ignore[override]
        """The section `hydra` alone."""
        return OmegaConf.masked_copy(self.composed_job.hydra_config, ["hydra"])

    @hydra_cfg.setter
    def hydra_cfg(self, value: None) -> None:
        """Ignore the default of JobReturn."""

    def __reduce__(self) -> Any:
        names = [field.name for field in fields(JobReturn)]
        return JobReturn, tuple(getattr(self, name) for name in names)


def _job_return(cfg: DictConfig, composed_job: Composed) -> JobReturn:
    folder = composed_job.folder
    final_return = read_summary(folder).get("final_return") if is_run(folder) else None
    job_return = _JobReturn(
        overrides=list(cfg.hydra.overrides.task),
        working_dir=str(Path.cwd()),
        task_name=cfg.hydra.job.name,
        status=JobStatus.COMPLETED,  # a failed job does not fail the others; its summary.json says so
        _return_value=objective(final_return, cfg.hydra),
    )
    job_return.composed_job = composed_job
    return job_return
