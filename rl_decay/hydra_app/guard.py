"""What Hydra's program may not do: write over an existing run, or end without a word; refusals in one line."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rl_decay import compare
from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked, explanation, one_line, strict
from rl_decay.runs.continuation import same_experiment
from rl_decay.runs.layout import FAILED, JOBS, is_run, is_taken
from rl_decay.runs.lock import RunLock, SweepLock, refuse_sweep_in_use
from rl_decay.runs.summary import failures, read_summary, write_summary
from rl_decay.runs.unwritable import unwritable

log = logging.getLogger("rl_decay")


@contextmanager
def explained() -> Iterator[None]:
    """Turn Hydra's refusal to compose, several lines long, into one line and exit code 1.

    Hydra reports errors itself, and ends the program, unless it is told to pass them on.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except KeyboardInterrupt:  # before training began; the trainer answers later ones
        raise SystemExit(130) from None
    except OmegaConfBaseException as error:
        refuse(explanation(error))
    except HydraException as error:
        cause = error.__cause__
        refuse(explanation(cause) if isinstance(cause, OmegaConfBaseException) else one_line(str(error)))
    except ValueError as error:
        if isinstance(error.__cause__, OSError):  # the file of a log handler
            refuse_unwritable(error.__cause__)
        if "Config group override" not in str(error):  # Hydra's own, for a group set to a number, say
            raise
        refuse(str(error))
    except OSError as error:
        refuse_unwritable(error)
    finally:
        SWEEP.close()


def refuse_unwritable(error: OSError) -> NoReturn:
    """Hydra's record, its log or our list of jobs could not be written, on a full disk say."""
    if error.filename is None:
        raise error
    refuse(unwritable(Path(os.fsdecode(error.filename)), error))


SWEEP = ExitStack()  # the lock of the sweep that this process launches
REFUSED: list[str] = []  # jobs of this process that have no folder of their own to say so
MADE: set[Path] = set()  # run folders that did not exist before this process


def refuse_run(message: str, folder: Path, overrides: list[str], alone: bool) -> None:
    """Say why a run was refused: alone, by ending the program and leaving nothing behind; in a multirun, in the job's
    summary.json, and the other jobs go on.
    """
    if alone:
        if not is_taken(folder):
            _discard(folder)
        refuse(message)
    if is_run(folder):
        if read_summary(folder)["status"] != FAILED:  # another job's folder
            REFUSED.append(f"{' '.join(overrides)}: {message}")
    else:
        try:
            write_summary(folder, {"status": FAILED, "reason": message, "overrides": overrides})
        except OSError:  # the disk is full, or somebody removed the folder
            REFUSED.append(f"{' '.join(overrides)}: {message}")


def _discard(folder: Path) -> None:
    """Remove the folder of a run that never was, if this process made it."""
    if folder.absolute() not in MADE:
        return
    logging.shutdown()
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # not empty: it holds other runs
        os.removedirs(folder.parent)


class RunGuard(Callback):
    """Keep Hydra from writing its record over an existing run, and list the failures of a multirun at its end."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a run folder that holds a run, unless it is this one and resume=auto."""
        try:
            checked(config)  # before the folder, whose name may be made of the mistake
        except UserError as error:
            refuse(str(error))
        folder = Path(config.hydra.run.dir)
        if (folder / JOBS).exists():
            refuse(
                f"hydra.run.dir={folder} holds a sweep; nothing was changed. Choose another folder, or continue the "
                "sweep with -m, hydra.sweep.dir and resume=auto"
            )
        if is_taken(folder) and config.resume != "auto":
            refuse(
                f"hydra.run.dir={folder} holds a run already; nothing was changed. Choose another folder, or continue "
                "it with resume=auto"
            )
        try:
            refuse_sweep_in_use(folder)
            if is_taken(folder):
                same_experiment(strict(config), folder)
                with RunLock(folder):  # or else Hydra writes its record while another training goes on
                    pass
        except UserError as error:
            refuse(f"hydra.run.dir={folder}: {error}")
        if not folder.exists():
            MADE.add(folder.absolute())
        _require_writable("hydra.run.dir", folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a sweep folder that holds runs, unless resume=auto."""
        REFUSED.clear()
        folder = Path(config.hydra.sweep.dir)
        if config.resume != "auto" and any(is_taken(job) for job in folder.glob("*/")):
            refuse(
                f"hydra.sweep.dir={folder} holds runs already; nothing was changed. Choose another folder, or continue "
                "the sweep, or add to it, with resume=auto"
            )
        _require_writable("hydra.sweep.dir", folder)
        try:
            SWEEP.enter_context(SweepLock(folder))
        except UserError as error:
            refuse(f"hydra.sweep.dir={error}")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare the runs, then list what failed; exit code 1 if anything did. Read from the folders: jobs may have
        run elsewhere.
        """
        folder = Path(config.hydra.sweep.dir)
        if config.compare != "none":
            compare.after_sweep(folder)
        jobs = [job for job in sorted(folder.glob("*/")) if is_run(job)]
        failed = [*failures(jobs), *REFUSED]
        for failure in failed:
            log.error("failed: %s", failure)
        if failed:
            refuse(f"{len(failed)} of {len(jobs) + len(REFUSED)} runs failed")


def _require_writable(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        refuse(f"{key}={unwritable(folder, error)}")


def refuse(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)
