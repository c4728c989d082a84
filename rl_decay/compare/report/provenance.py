"""The origin of the runs of a comparison: the commands that make them again, the versions that made them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from rl_decay.compare.model import OWN, TRAIN_PY, Arm, Run
from rl_decay.errors import one_line


def commands(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Commands that make the runs again: one for all runs of an arm whose commands differed in the seed alone."""
    lines: dict[str, None] = {}  # used as an ordered set: two arms may have been typed alike
    for arm in arms:
        lines |= dict.fromkeys(_commands_of(arm))
    return tuple(lines)


def versions(runs: Sequence[Run]) -> dict[str, str]:
    """The versions of Python and packages with which the runs were made; where they differ, all of them."""
    by_package: dict[str, set[str]] = {}
    for run in runs:
        for package, version in run.versions.items():
            by_package.setdefault(package, set()).add(version or "not installed")
    return {package: ", ".join(sorted(versions)) for package, versions in by_package.items()}


def notes(runs: Sequence[Run]) -> list[str]:
    """Warnings about the runs' origin: other programs, other versions, and the runs' own notes."""
    lines = []
    sources = sorted({run.source for run in runs} - {OWN})
    if sources:
        lines.append(
            f"runs of {', '.join(sources)}: every run, own ones too, is compared by its training returns (mean of the "
            "last 100 episodes, at 100 even points); they are no measure of oscillation"
        )
    if "sb3" in sources:
        lines.append(
            "seeds of sb3 runs are those in their folder's name, else the run's number: pairs may mean nothing"
        )
    mixed = [f"{package} {listed}" for package, listed in versions(runs).items() if "," in listed]
    if mixed:
        lines.append(f"the runs were made with different versions: {'; '.join(mixed)}")
    return lines + _own_notes(runs)


def _own_notes(runs: Sequence[Run]) -> list[str]:
    """The notes in the runs' own summaries: each note once per task, with the number of runs that have it."""
    totals = Counter(run.task for run in runs)
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        counts.update((run.task, note) for note in run.notes)
    lines = []
    for (task, note), count in counts.items():
        lines.append(f"{task}, {count} of {totals[task]} runs: {one_line(note)}")
    return lines


def _commands_of(arm: Arm) -> list[str]:
    """One command per set of overrides in the arm, seeds aside; a line without a command for runs started in Python."""
    seeds_of: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for run in arm.runs:
        if run.started_by:
            words = tuple(word for word in run.overrides if not word.startswith("seed="))
            seeds_of.setdefault((run.started_by, words), []).append(run.seed)
    lines = []
    for (started_by, words), seeds in seeds_of.items():
        seeds = sorted(set(seeds))
        if started_by == TRAIN_PY:
            lines.append(_command(words, seeds))
        else:
            lines.append(f"rl_decay.train(...) from Python: {arm.name}, seed {', '.join(map(str, seeds))}")
    return lines


def _command(words: tuple[str, ...], seeds: list[int]) -> str:
    # Distinct sorted seeds have no gap if their span equals their number; listing the span could fill the memory.
    consecutive = len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1
    sweep = f"range({seeds[0]},{seeds[-1] + 1})" if consecutive else ",".join(map(str, seeds))
    multirun = ["-m"] if len(seeds) > 1 else []
    return shlex.join(["python", "train.py", *multirun, *words, f"seed={sweep}"])
