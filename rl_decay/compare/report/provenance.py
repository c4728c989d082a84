"""Where the runs of a comparison come from: the commands that make them again, the versions that made them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from rl_decay.compare.model import OWN, TRAIN_PY, Arm, Run
from rl_decay.errors import one_line


def commands(arms: Sequence[Arm]) -> tuple[str, ...]:
    """Commands that make the runs again: one for all runs of an arm that were typed alike but for the seed."""
    return tuple(dict.fromkeys(line for arm in arms for line in _of_arm(arm)))


def versions(runs: Sequence[Run]) -> dict[str, str]:
    """The versions of Python and packages that the runs name; where they differ, all of them."""
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        for package, version in run.versions.items():
            found.setdefault(package, {})[version or "not installed"] = None
    return {package: ", ".join(sorted(those)) for package, those in found.items()}


def notes(runs: Sequence[Run]) -> list[str]:
    """What a reader must know about the runs' origin."""
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
    mixed = [f"{package} {those}" for package, those in versions(runs).items() if "," in those]
    if mixed:
        lines.append(f"the runs were made with different versions: {'; '.join(mixed)}")
    return lines + _own_notes(runs)


def _own_notes(runs: Sequence[Run]) -> list[str]:
    """What the runs say of themselves: each note once per task, with the number of runs that have it."""
    counts = Counter((run.task, note) for run in runs for note in run.notes)
    totals = Counter(run.task for run in runs)
    return [f"{task}, {n} of {totals[task]} runs: {one_line(note)}" for (task, note), n in counts.items()]


def _of_arm(arm: Arm) -> list[str]:
    """One command per way in which the arm's runs were started; a run that nobody typed is named as such."""
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
    parts = ["python", "train.py", *(["-m"] if len(seeds) > 1 else []), *words, f"seed={sweep}"]
    return shlex.join(parts)
