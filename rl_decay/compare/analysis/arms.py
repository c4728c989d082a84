"""From runs to arms: one per set of runs that are equal in everything but the seed, unless --by asks for fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.compare.model import TRAINING, Arm, Run
from rl_decay.config.arm_names import differing, differing_within, names, text
from rl_decay.config.identity import SHARED
from rl_decay.errors import UserError

TOLERANCE = 1.05  # between budgets of different programs, which round to whole rollouts each in its own way
SHOWN = 3  # values in a refusal

Values = Mapping[str, Any]


def group(
    runs: Sequence[Run], by: Sequence[str] = (), across_tasks: bool = False
) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Put runs into arms, ordered by name; and the notes that a reader of the comparison needs.

    Arms differ in the keys that take several values within a task; with `by` in those of them that it names (keys, or
    sections such as `schedule`). A run that is there twice, equal in everything including its curve, counts once.
    Errors: UserError for runs that cannot be compared (`check`), a `by` that names no key, and two runs of an arm with
    one task and seed, both folders named.
    """
    check(runs, across_tasks)
    values = {run.folder: run.identity for run in runs}
    runs, notes = _once(runs, values)
    keys, wanted = _differing_within_tasks(runs, values), _expanded(by, values.values())
    chosen = tuple(key for key in keys if not by or _covers(wanted, key))
    members: dict[str, list[Run]] = {}
    for run, name in zip(runs, names([values[run.folder] for run in runs], chosen), strict=True):
        members.setdefault(name, []).append(run)
    arms = tuple(_arm(name, members[name], values, chosen) for name in sorted(members))
    for arm in arms:
        _refuse_shared_seeds(arm, values, by)
    mixed = dict.fromkeys(key for arm in arms for key in _differing_within_tasks(arm.runs, values))
    if mixed:
        notes.append(f"--by {','.join(by)}: arms hold runs that differ in {', '.join(mixed)}")
    return arms, tuple(notes)


def baseline(arms: Sequence[Arm], name: str | None = None) -> str:
    """The arm that the others are compared with: the one named, else one without decay, else the first by name.

    Errors: UserError for a name that no arm has, and without arms.
    """
    known = [arm.name for arm in arms]
    if not known:
        raise UserError("there is no run to compare: none finished or diverged")
    if name is not None:
        if name not in known:
            raise UserError(f"--baseline {name!r}: no such arm; the arms are {', '.join(map(repr, known))}")
        return name
    constant = [arm.name for arm in arms if all(run.constant for run in arm.runs)]
    return min(constant or known)


def check(runs: Sequence[Run], across_tasks: bool = False) -> None:
    """UserError, with the key, its values and where they stand, unless the runs can be compared.

    One task; across tasks, scores instead of returns. Within a task one budget and one evaluation protocol.
    """
    if across_tasks:
        advice = "tasks share an axis only as scores, which a task without score constants has not; leave it out"
        _same(runs, "unit", lambda run: run.unit, advice)
        if runs and runs[0].unit != "score":
            raise UserError(f"--across-tasks: {runs[0].task} has no score constants, its unit is the return; {advice}")
    else:
        advice = "compare one task at a time, or give --across-tasks"
        _same(runs, "env.id", lambda run: run.task.partition(" ")[0], advice)
        _same(runs, "env.kwargs", lambda run: run.task.partition(" ")[2], advice)
    for task in dict.fromkeys(run.task for run in runs):
        _check_task([run for run in runs if run.task == task])


def _check_task(runs: Sequence[Run]) -> None:
    for key in dict.fromkeys(key for run in runs for key in run.protocol):
        _same(runs, key, lambda run, key=key: run.protocol.get(key), "compare runs of one budget and one protocol")
    if any(run.kind == TRAINING for run in runs):
        least, most = (bound(runs, key=lambda run: run.total_steps) for bound in (min, max))
        if most.total_steps > TOLERANCE * least.total_steps:
            _same([least, most], "env steps", lambda run: run.total_steps, "compare runs of one budget")


def _same(runs: Sequence[Run], key: str, value: Callable[[Run], Any], advice: str) -> None:
    found: dict[str, Path] = {}
    for run in runs:
        found.setdefault(text(value(run)) or "none", run.folder)
    if len(found) > 1:
        shown = [f"{v} ({folder})" for v, folder in found.items()]
        more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
        raise UserError(f"{key} differs: {', '.join(shown[:SHOWN] + more)}; {advice}")


def _differing_within_tasks(runs: Sequence[Run], values: Mapping[Path, Values]) -> tuple[str, ...]:
    return differing_within([run.task for run in runs], [values[run.folder] for run in runs])


def _once(runs: Sequence[Run], values: Mapping[Path, Values]) -> tuple[list[Run], list[str]]:
    """The runs without copies: the same experiment, seed and curve, bit for bit, is the same run."""
    first: dict[Any, Run] = {}
    copies = []
    for run in runs:
        of_curve = (run.steps.tobytes(), np.asarray(run.scores).tobytes())
        one = first.setdefault((run.task, run.seed, text(values[run.folder]), run.status, of_curve), run)
        if one is not run:
            copies.append(f"{run.folder} is the same run as {one.folder}: counted once")
    more = f", and {len(copies) - 1} more such copies" if len(copies) > 1 else ""
    return list(first.values()), [copies[0] + more] if copies else []


def _expanded(by: Iterable[str], values: Iterable[Values]) -> list[str]:
    """The keys and sections of --by as keys are called here; UserError for one that no run has."""
    known = {key for value in values for key in value}
    wanted = []
    for word in by:
        key = word.replace("/", ".")
        keys = [f"schedule.{group}.{key.split('.')[1]}" for group in ("actor", "critic")] if key in SHARED else [key]
        if key not in SHARED and not any(_covers(keys, each) for each in known):
            sections = ", ".join(sorted({each.split(".")[0] for each in known if "." in each}))
            raise UserError(f"--by {word}: no key of these runs; give keys such as actor.lr, or sections: {sections}")
        wanted += keys
    return wanted


def _covers(wanted: Iterable[str], key: str) -> bool:
    return any(key == each or key.startswith(f"{each}.") for each in wanted)


def _arm(name: str, runs: list[Run], values: Mapping[Path, Values], keys: Iterable[str]) -> Arm:
    first = values[runs[0].folder]
    ordered = tuple(sorted(runs, key=lambda run: (run.task, run.seed)))
    return Arm(name, ordered, {key: first[key] for key in keys if key in first})


def _refuse_shared_seeds(arm: Arm, values: Mapping[Path, Values], by: Sequence[str]) -> None:
    seen: dict[tuple[str, int], Run] = {}
    for run in arm.runs:
        other = seen.setdefault((run.task, run.seed), run)
        if other is not run:
            keys = differing([values[other.folder], values[run.folder]])
            way = f"add {' or '.join(keys)} to --by {','.join(by)}" if keys else "they repeat one run; leave one out"
            raise UserError(f"{other.folder} and {run.folder} share seed {run.seed} in the arm {arm.name!r}; {way}")
