"""Keep Hydra's program from writing over an existing run, and from ending without a message."""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from rl_decay import compare
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked
from rl_decay.hydra_app.program import new_program, program
from rl_decay.hydra_app.refusals import line_for, refuse
from rl_decay.hydra_app.sweep_jobs import is_grid
from rl_decay.runs.claim import FolderClaim
from rl_decay.runs.continuation import check_links, same_experiment
from rl_decay.runs.endings import endings, failures, lines, shortfall
from rl_decay.runs.files import exists
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import write_jobs
from rl_decay.runs.layout import (
    CHECKPOINTS,
    EVALUATIONS_CSV,
    JOBS,
    LOCK,
    METRICS_CSV,
    SUMMARY,
    SWEEP_LOCK,
    has_run_files,
    is_run,
)
from rl_decay.runs.lock import RunLock
from rl_decay.runs.sweep_folder import MAX_FOLDER_DEPTH, run_folders, runs_below
from rl_decay.runs.sweep_lock import SweepLock, refuse_sweep_in_use
from rl_decay.runs.unwritable import unwritable
from rl_decay.system.signals import INTERRUPTED_CODE

log = logging.getLogger("rl_decay")

# Names in a run's folder that hydra.output_subdir must not choose: Hydra would write its record into them.
RUN_NAMES = {SUMMARY, METRICS_CSV, EVALUATIONS_CSV, CHECKPOINTS, LOCK, JOBS}


@contextmanager
def explained() -> Iterator[None]:
    """Answer every exception of Hydra's program with one line and exit code 1; leave no files if no run began."""
    # With this variable Hydra passes errors on. Without it, it prints them itself and ends the program.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    held = new_program().held
    try:
        with warnings.catch_warnings():
            # Hydra only warns if a callback raises or a folder of configurations is missing. Make these errors.
            warnings.filterwarnings("error", r"Callback (RunGuard|NoneType)\.", module=r"hydra\._internal\.callbacks")
            warnings.filterwarnings("error", module=r"hydra\._internal\.(config_loader_impl|utils)")
            _check_flags()
            yield
    except KeyboardInterrupt:  # before or after training; during it the trainer handles the signal
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED_CODE) from None
    except Exception as error:
        refuse(line_for(error))
    finally:
        # The logs are closed first, because ending a claim may remove them.
        logging.shutdown()
        held.close()


def _check_flags() -> None:
    """Refuse unknown flags in one line, and move known flags before the overrides, where alone Hydra accepts them."""
    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]  # argparse would print its usage, a page of Hydra's flags
    arguments = parser.parse_intermixed_args()
    if arguments.experimental_rerun is not None:
        refuse(
            "--experimental-rerun: it would run code from a file; continue a run: python -m rl_decay.resume <folder>"
        )
    if arguments.cfg and arguments.package and not _is_package(arguments.package):
        refuse(f"--package {arguments.package}: no part of the configuration; give a section such as algo, or hydra")
    flags = [word for word in sys.argv[1:] if word not in arguments.overrides]
    sys.argv[1:] = [*flags, *arguments.overrides]


def _is_package(name: str) -> bool:
    """Whether the configuration has a section of this name; names below `hydra` are left to Hydra's own check."""
    keys = flat(Config())
    return name.split(".")[0] in ("_global_", "hydra") or any(f"{key}.".startswith(f"{name}.") for key in keys)


def refusing(callback: Callable[..., None]) -> Callable[..., None]:
    """Turn every exception of a callback into a refusal (SystemExit): Hydra swallows all others and would go on without
    the guard.
    """

    @functools.wraps(callback)
    def guarded(*arguments: Any, **named: Any) -> None:
        try:
            callback(*arguments, **named)
        except Exception as error:
            refuse(line_for(error))

    return guarded


class RunGuard(Callback):
    """Keep Hydra from writing its record over an existing run, and list the failures of a multirun at its end."""

    @refusing
    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a run folder that holds a run, unless it is this one and resume=auto."""
        # The configuration is checked before the folder: its default name holds values, and may hold the mistake.
        run_config = checked(config)
        _check_names(config)
        folder = Path(config.hydra.run.dir)
        key = f"hydra.run.dir={folder}"
        record = Path(str(config.hydra.output_subdir)).parts[:1]
        _claim("hydra.run.dir", folder, (*record, f"{config.hydra.job.name}.log", LOCK))
        # With a run in the sweep's folder, `rl_decay.resume` would continue that run and no longer the sweep.
        if exists(folder / JOBS):
            refuse(
                f"{key} holds a sweep; nothing was changed. Choose another folder, or continue the sweep with -m, "
                "hydra.sweep.dir and resume=auto"
            )
        try:
            check_links(folder)
            refuse_sweep_in_use(folder)
        except UserError as error:
            refuse(f"{key}: {error}")
        if not has_run_files(folder):
            return
        if run_config.resume != "auto":
            refuse(
                f"{key} holds a run already; nothing was changed. Choose another folder, or continue it with "
                "resume=auto"
            )
        try:
            same_experiment(run_config, RunFolder(folder))
            # Without this check Hydra would write its record while another training goes on in the folder.
            with RunLock(folder):
                pass
        except UserError as error:
            refuse(f"{key}: {error}")

    @refusing
    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a sweep folder that holds runs, unless resume=auto."""
        _check_names(config)
        for key in ("launcher", "sweeper"):
            if config.hydra[key] is None:
                raise UserError(f"hydra.{key}=null: a multirun needs one; choose it by hydra/{key}=...")
        folder = Path(config.hydra.sweep.dir)
        grid = is_grid(config.hydra)
        runs = [] if grid else runs_below(folder, MAX_FOLDER_DEPTH)
        own_names = ("multirun.yaml", SWEEP_LOCK)
        _claim("hydra.sweep.dir", folder, own_names if grid else (*own_names, JOBS))
        if config.resume != "auto" and any(is_run(job) for job in (*run_folders(folder), *runs)):
            refuse(
                f"hydra.sweep.dir={folder} holds runs already; nothing was changed. Choose another folder, or continue "
                "the sweep, or add to it, with resume=auto"
            )
        try:
            # Held until the program ends, because the report at the end reads the folder too.
            program().held.enter_context(SweepLock(folder))
        except UserError as error:
            refuse(f"hydra.sweep.dir={error}")
        if not grid:
            write_jobs(folder, [])  # an empty list marks a sweep whose runs are found by a search

    @refusing
    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare the runs, then print how they ended and which failed; exit code 1 if a run failed or all diverged.

        All is read from the folders, because a launcher may have trained the jobs in other processes.
        """
        folder = Path(config.hydra.sweep.dir)
        job_folders = [_as_typed(job, folder) for job in program().folders]
        all_folders = list(dict.fromkeys([*run_folders(folder), *job_folders]))
        if config.compare != "none":
            compare.after_sweep(folder, all_folders)
        refused = {_as_typed(job, folder): reason for job, reason in program().refused.items()}
        runs = endings(folder, all_folders, refused)
        print(*lines(runs), sep="\n")
        for failure in failures(runs):
            log.error("failed: %s", failure)
        problem = shortfall(runs)
        if problem:
            refuse(problem)


def _as_typed(job: Path, sweep: Path) -> Path:
    """A job's folder in the spelling of the sweep's folder, which may be relative."""
    return sweep / job.relative_to(sweep.absolute()) if job.is_relative_to(sweep.absolute()) else job


def _check_names(config: DictConfig) -> None:
    """UserError for an empty name (of an unset variable), and for a name that leads out of the run's folder."""
    for key in ("run", "sweep"):
        if not str(config.hydra[key].dir):
            raise UserError(f"hydra.{key}.dir is empty; give a folder, or . for this one")
    name = str(config.hydra.job.name)
    record = str(config.hydra.output_subdir)
    if not name or Path(name).name != name:
        raise UserError(f"hydra.job.name={name}: a file beside the run is called after it; choose a name without /")
    if Path(record).is_absolute() or ".." in Path(record).parts:
        raise UserError(
            f"hydra.output_subdir={record}: leads out of the run's folder; choose a name inside it, or null"
        )
    if RUN_NAMES.intersection(Path(record).parts[:1]):
        raise UserError(f"hydra.output_subdir={record}: a run keeps its own files under that name; choose another")


def _claim(key: str, folder: Path, own_names: tuple[str, ...]) -> None:
    """Claim a folder for this program before Hydra writes into it; refuse if that fails."""
    try:
        program().held.callback(FolderClaim(folder, own_names).end)
        # A trial write: the error of Hydra's own first write would not name the way out.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except UserError as error:
        refuse(f"{key}={error}")
    except OSError as error:
        refuse(f"{key}={unwritable(folder, error)}")
