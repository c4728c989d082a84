"""Continue a run or a sweep from its record: python -m rl_decay.resume <folder> [total_steps=N horizon=keep ...]."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rl_decay.compare import after_sweep
from rl_decay.config.checks import check
from rl_decay.config.schema import Config, flat, unflat
from rl_decay.config.trust import TRUST
from rl_decay.console.run import EXIT_CODES, train
from rl_decay.errors import UserError
from rl_decay.runs.continuation import continue_command
from rl_decay.runs.endings import endings, failures, lines, shortfall
from rl_decay.runs.files import require_inside
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import LOG
from rl_decay.runs.sweep_lock import SweepLock, refuse_sweep_in_use
from rl_decay.runs.unwritable import unwritable
from rl_decay.sweeps.sweep import Options, Sweep, recorded_jobs
from rl_decay.system.commands import answered
from rl_decay.system.signals import INTERRUPTED_CODE
from rl_decay.system.stdout import keep_output

log = logging.getLogger("rl_decay")


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m rl_decay.resume", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder or a sweep folder")
    parser.add_argument("override", nargs="*", help="total_steps=... with horizon=..., or keys that only log or save")
    parser.add_argument("--workers", type=int, help="of a sweep: worker processes; default: by cores")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=TRUST)
    args = parser.parse_intermixed_args(argv)  # a printed command ends with --trust, and overrides may follow
    folder = args.folder.absolute()
    command = continue_command(folder, args.trust)  # printed after a Ctrl-C
    return answered(lambda: _resume(folder, args), f"interrupted; continue it: {command}")


def _resume(folder: Path, args: argparse.Namespace) -> int:
    run = RunFolder(folder)
    if run.summary:
        return resume_run(run, args.override, args.trust)
    return resume_sweep(folder, args.override, args.trust, Options(workers=args.workers))


def resume_run(run: RunFolder, overrides: Sequence[str], trust: Collection[str]) -> int:
    """Continue one run with the output of `train.py`; returns the exit code."""
    refuse_sweep_in_use(run.path)
    config = overridden(run.config(trust), overrides)
    with _logged_to(run.path / LOG):
        result = train(config, run.path, (*run.summary["overrides"], *overrides))
    return EXIT_CODES.get(result.status, 0)


def resume_sweep(folder: Path, overrides: Sequence[str], trust: Collection[str], options: Options) -> int:
    """Continue the unfinished runs of a sweep and start the jobs that have not begun; returns the exit code."""
    options.check("--")
    jobs = []
    for job in recorded_jobs(folder, trust):
        config = overridden(job.config, overrides)
        jobs.append(replace(job, config=config, overrides=(*job.overrides, *overrides)))
    with _logged_to(folder / "resume.log"), SweepLock(folder):
        return _train_sweep(folder, jobs, options)


def _train_sweep(folder: Path, jobs: Sequence[Job], options: Options) -> int:
    sweep = Sweep(jobs, options, folder)
    if not sweep.train():
        return INTERRUPTED_CODE
    folders = [job.folder for job in jobs]
    if any(job.config.compare != "none" for job in jobs):
        after_sweep(folder, folders)
    runs = endings(folder, folders, sweep.unrecorded)
    print(*lines(runs), sep="\n")
    for failure in failures(runs):
        print(f"failed: {failure}", file=sys.stderr)
    problem = shortfall(runs)
    if problem:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problem else 0


def overridden(config: Config, overrides: Sequence[str]) -> Config:
    """A recorded configuration with key=value overrides and resume=auto; UserError names a key that does not exist."""
    values = flat(config) | {"resume": "auto"}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{text}: give key=value")
        if key not in values:
            raise UserError(f"{text}: no such key; choices such as schedule=... cannot change in a continued run")
        values[key] = _value(value)
        # `check` below would refuse it too, but this message quotes what was typed.
        if type(flat(Config())[key]) is bool and not isinstance(values[key], bool):
            raise UserError(f"{text}: must be true or false")
    return check(unflat(values))


def _value(text: str) -> Any:
    """The value of a typed text: a whole number (300_000 too), JSON, or else the text itself."""
    for parse in (int, json.loads):
        try:
            return parse(text)
        except (ValueError, RecursionError):  # RecursionError: deep nesting
            continue
    return text


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Log to the terminal, and to the end of the log that the run's first process began."""
    require_inside(path, path.parent)
    handlers = [logging.StreamHandler(sys.stdout), _Log(path, delay=True)]
    logging.basicConfig(
        level=logging.INFO, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s", handlers=handlers, force=True
    )
    try:
        yield
    finally:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            with suppress(OSError):  # a full disk: closing writes the last lines
                handler.close()


class _Log(logging.FileHandler):
    """A log file that is given up, with one warning, if it cannot be written: it may belong to another person."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError as error:
            logging.getLogger().removeHandler(self)
            log.warning("goes on without its log: %s", unwritable(Path(self.baseFilename), error))


if __name__ == "__main__":
    keep_output()
    raise SystemExit(main())
