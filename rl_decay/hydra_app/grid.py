"""Check and list the jobs of a grid before any of them begins: their number, and that no two share a folder."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, RangeSweep
from omegaconf import DictConfig

from rl_decay.errors import UserError
from rl_decay.hydra_app.job_composer import JobComposer
from rl_decay.hydra_app.sweep_jobs import compose_folder, job_of
from rl_decay.runs.jobs import Job, record_jobs, title
from rl_decay.runs.layout import has_run_files
from rl_decay.sweeps.grouping import check_folders

log = logging.getLogger("rl_decay")
Item = TypeVar("Item")
MOST_JOBS = 1_000_000  # each takes some 20 kB of memory until all are composed
ANNOUNCED_JOBS = 50  # composing this many takes seconds, so their number is printed first
LOG_SECONDS = 5.0  # between two lines of progress


def check_grid(overrides: Sequence[Override], max_batch_size: int | None) -> None:
    """UserError for a grid without jobs, with more than MOST_JOBS, or with empty batches; logs the number of jobs."""
    if max_batch_size is not None and max_batch_size < 1:
        raise UserError(f"hydra.sweeper.max_batch_size={max_batch_size}: must be a whole number of at least 1; or null")
    sweeps = {override.get_key_element(): override for override in overrides if override.is_sweep_override()}
    discrete = [override for override in sweeps.values() if override.is_discrete_sweep()]
    counts = [_count(override) for override in discrete]
    for override, count in zip(discrete, counts, strict=True):
        if count == 0:
            raise UserError(f"{override.input_line}: holds no value, so there is no job; give at least one")
    jobs = math.prod(counts)
    if jobs > MOST_JOBS:
        raise UserError(f"a sweep of {jobs:,} jobs: at most {MOST_JOBS:,} fit into memory; sweep over fewer values")
    if jobs >= ANNOUNCED_JOBS:
        log.info("%s jobs; composing them takes a while, Ctrl-C ends it", f"{jobs:,}")


def _count(override: Override) -> int:
    """The number of values of a swept key, without a list of them: range(0,1e12) would fill the memory."""
    value = override.value()
    if not isinstance(value, RangeSweep):
        return sum(1 for _ in override.sweep_string_iterator())
    assert value.start is not None and value.stop is not None
    # Hydra iterates over a range; with step 0 or an infinite bound it would never return.
    if value.step == 0:
        raise UserError(f"{override.input_line}: a range with step 0 has no end; give another step")
    count = (value.stop - value.start) / value.step
    if not math.isfinite(count):
        raise UserError(f"{override.input_line}: a range without an end; give one")
    return max(0, math.ceil(count))


def with_progress(items: Sequence[Item]) -> Iterator[Item]:
    """The items one by one, with a log line of progress every few seconds; for jobs that are being composed."""
    started = time.monotonic()
    logged = started
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - logged > LOG_SECONDS:
            logged = now
            left = (now - started) * (len(items) / done - 1)
            log.info("composed %s of %s jobs, ETA %.0f s", f"{done:,}", f"{len(items):,}", left)
        yield item


def list_jobs(loader: ConfigLoader, config: DictConfig, grid: Sequence[Sequence[str]]) -> None:
    """Compose every job of a grid and write the list of those that can be run into the sweep's folder.

    Invalid jobs are not listed; the launcher of Hydra reports each when it reaches it. UserError, before any job
    begins, for two jobs that share a folder, and for a folder that holds a run unless resume=auto. Errors of Hydra
    itself: as in its own check of a sweep.
    """
    jobs: list[Job] = []
    folders: list[tuple[str, Path]] = []  # of invalid jobs too
    composer = JobComposer(loader, config)
    for number, overrides in enumerate(with_progress(grid)):
        cfg, folder = compose_folder(composer, overrides, number)
        folders.append((title(number, overrides), folder))
        try:
            jobs.append(job_of(cfg, folder, number))
        except UserError:
            continue
    check_folders(folders)
    for job in jobs:
        check_free(job)
    if jobs:
        record_jobs(Path(str(config.hydra.sweep.dir)).absolute(), jobs)


def check_free(job: Job) -> None:
    """UserError if a job's folder holds a run and resume=never."""
    if job.config.resume == "never" and has_run_files(job.folder):
        raise UserError(f"job {job.number}: {job.folder} holds a run already; nothing was changed")
