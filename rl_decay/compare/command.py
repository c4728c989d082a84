"""From folders to a printed verdict and a report: what the command line does, and what a sweep does at its end."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rl_decay.compare.analysis import arms, study
from rl_decay.compare.figures import plots
from rl_decay.compare.model import ENDPOINTS, Comparison
from rl_decay.compare.reading import foreign, own
from rl_decay.compare.reading.measures import DIRECTIONS
from rl_decay.compare.report import provenance, write
from rl_decay.compare.report.tensorboard import write_arms
from rl_decay.compare.report.wording import interval, verdict
from rl_decay.errors import UserError, error_words, escaped
from rl_decay.runs.files import require_inside
from rl_decay.runs.layout import is_run
from rl_decay.system.narrow import fitted

log = logging.getLogger("rl_decay")
# How the notes on exploratory metrics begin; the terminal shows only those on the endpoints.
EXPLORATORY_NOTES = tuple(f"{name} is undefined" for name in DIRECTIONS if name not in ENDPOINTS)
NOTES = 8  # printed; the report has them all


@dataclass(frozen=True)
class Options:
    """How to compare; `by`, `baseline` and `across_tasks` as in arms.py, `source` and `task` as in foreign.py."""

    by: tuple[str, ...] = ()
    baseline: str | None = None
    source: str | None = None
    task: str | None = None
    across_tasks: bool = False
    command: str | None = None  # as a person typed it, for the report


def run(
    folders: Iterable[str | Path],
    out: str | Path | None = None,
    options: Options = Options(),
    beside: Path | None = None,
) -> Comparison:
    """Compare the runs in the folders, write the report into `out` (default: <first folder>/report), print the verdict.

    The arms become TensorBoard runs in the folder `beside` (default: the first folder, or `out` where one is given).
    Errors: UserError for folders without runs, runs that cannot be compared, options that do not fit them, and a
    folder that cannot be written.
    """
    folders = [Path(folder) for folder in folders]
    comparison = compare(folders, options)
    # Arms lie beside the runs of a sweep; the folder of a single run is its own, so its arm goes into the report.
    if beside is None and out is None and not is_run(folders[0]):
        beside = folders[0]
    # A folder that a person named may be a link; one that this program chose must not lead out of the sweep.
    if beside is not None or out is None:
        home = beside or folders[0]
        require_inside(home / "report", home)
    out = folders[0] / "report" if out is None else Path(out)
    figures = plots.figures(comparison) if plots.available() else None
    try:
        written = write.write(comparison, out, figures)
        write_arms(comparison, beside or out, figures or {})
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror}); choose another folder") from None
    show(comparison, written[0])
    return comparison


def after_sweep(folder: Path, runs: Sequence[Path]) -> None:
    """Compare the runs of a sweep that has just ended, and no others that lie in its folder.

    If they cannot be compared, print why in one line and return: the runs themselves are complete.
    """
    compared = [job for job in runs if is_run(job)]
    try:
        run(compared or [folder], folder / "report", beside=folder)
    except UserError as error:
        print(f"no comparison: {error}")
    except Exception as error:  # a fault of the report's must not fail the sweep
        log.warning("no comparison: %s", error_words(error))


def compare(folders: Sequence[Path], options: Options) -> Comparison:
    """Compare the runs in the folders. Errors: UserError, as `run`."""
    loaded = _load(folders, options)
    if not loaded.runs:
        raise UserError(_no_runs(folders, loaded))
    grouped, notes = arms.group(loaded.runs, by=options.by, across_tasks=options.across_tasks)
    comparison = study.compare(grouped, arms.choose_baseline(grouped, options.baseline))
    commands = provenance.commands(grouped)
    if options.command is not None:
        commands = (*commands, options.command)
    return replace(
        comparison,
        notes=(*comparison.notes, *notes, *provenance.notes(loaded.runs)),
        unfinished=loaded.unfinished,
        skipped=loaded.skipped,
        commands=commands,
        versions=provenance.versions(loaded.runs),
    )


def show(comparison: Comparison, page: Path) -> None:
    """Print the verdict in short, the most important notes, and which page to open."""
    console = Console()
    title = f"{', '.join(comparison.tasks)}: interquartile mean [95 % interval]"
    console.print(escaped(title), markup=False, highlight=False)
    console.print(fitted(console, table(comparison)))
    for line in (*_lines(comparison), f"report: {page}"):
        console.print(escaped(line), markup=False, highlight=False, soft_wrap=True)


def table(comparison: Comparison) -> Table:
    """Per arm: runs, and the interquartile means of the endpoints with their 95 % intervals."""
    grid = Table(box=box.SIMPLE_HEAD)
    grid.add_column("arm", overflow="fold")
    grid.add_column("runs", justify="right")
    endpoints = [name for name in ENDPOINTS if comparison.is_measured(name)]
    for name in endpoints:
        grid.add_column(f"{name} ({comparison.unit})", justify="right", overflow="fold")
    for arm in comparison.arms:
        mark = " (baseline)" if arm.name == comparison.baseline else ""
        estimates = comparison.estimates[arm.name]
        numbers = [escape(interval(estimates[name])) for name in endpoints]
        grid.add_row(escape(escaped(arm.name)) + mark, str(len(arm.runs)), *numbers)
    return grid


def _load(folders: Sequence[Path], options: Options) -> own.Loaded:
    """The runs of this program; with --from also the runs of the other program, all by their training returns."""
    loaded = own.load(folders, training=options.source is not None)
    if options.source is None:
        if options.task is not None:
            raise UserError(f"--task {options.task}: goes with --from; the runs of rl_decay know their task")
        return loaded
    others = foreign.load(folders, options.source, options.task)
    if others.empty:
        where = ", ".join(map(str, folders))
        raise UserError(f"--from {options.source}: no event files of other programs in {where}; leave --from out")
    return loaded + others


def _lines(comparison: Comparison) -> list[str]:
    others = [arm.name for arm in comparison.arms if arm.name != comparison.baseline]
    lines = [f"{name}: {verdict(comparison, name)}" for name in others]
    lines += [f"not compared: {u.folder}: {u.status} at {u.progress:.0%}, {u.reason}" for u in comparison.unfinished]
    lines += [f"skipped: {line}" for line in comparison.skipped]
    notes = [line for line in comparison.notes if not line.startswith(EXPLORATORY_NOTES)]
    lines += [f"note: {line}" for line in notes[:NOTES]]
    if len(notes) > NOTES:
        lines.append(f"note: {len(notes) - NOTES} more in the report")
    return lines


def _no_runs(folders: Sequence[Path], loaded: own.Loaded) -> str:
    """Why there is nothing to compare, in one line with one example of each kind."""
    where = ", ".join(map(str, folders))
    if loaded.empty:
        return f"{where}: no runs there; give run folders (they hold a summary.json), sweeps, or folders above them"
    parts = [f"{len(loaded.unfinished)} unfinished, {len(loaded.skipped)} unreadable"]
    parts += [f"{run.folder}: {run.status} at {run.progress:.0%}" for run in loaded.unfinished[:1]]
    parts += [f"skipped: {line}" for line in loaded.skipped[:1]]
    return f"{where}: no run that finished or diverged ({'; '.join(parts)})"
