"""From runs to arms: one per set of runs that are equal in everything but the seed, unless --by asks for fewer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from rl_decay.compare.model import TRAINING, Arm, Run
from rl_decay.config.arm_names import differing, differing_within, names, text
from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.identity import SHARED
from rl_decay.errors import UserError
from rl_decay.metrics.tasks import keep_returns
from rl_decay.types import GROUPS

TOLERANCE = 1.05  # between the budgets of two programs, each of which rounds to whole rollouts of its own
SHOWN = 3  # values in a refusal


def group(runs: Sequence[Run], *, by: Sequence[str], across_tasks: bool) -> tuple[tuple[Arm, ...], tuple[str, ...]]:
    """Put runs into arms, ordered by name; and the notes that a reader of the comparison needs.

    Arms differ in the keys that take several values within a task; `by` narrows these to the keys, or sections such as
    `schedule`, that it names. Copies of a run, equal in everything including the curve, count once.
    Errors: UserError for runs that cannot be compared, for a `by` that names no key, and for two different runs of an
    arm with the same task and seed, with both folders.
    """
    _check(runs, across_tasks)
    runs, notes = _without_copies(runs)
    keys = _differing_within_tasks(runs)
    if by:
        wanted = _keys_named(by, runs)
        keys = tuple(key for key in keys if _covers(wanted, key))
    arms = _arms(runs, keys)
    mixed: dict[str, None] = {}  # used as an ordered set
    for arm in arms:
        _refuse_shared_seeds(arm, by)
        mixed |= dict.fromkeys(_differing_within_tasks(arm.runs))
    if mixed:
        notes.append(f"--by {','.join(by)}: arms hold runs that differ in {', '.join(mixed)}")
    return arms, tuple(notes)


def choose_baseline(arms: Sequence[Arm], name: str | None) -> str:
    """The name of the arm that the others are compared with: `name`, else one without decay, else the first by name.

    Errors: UserError for a name that no arm has, and without arms.
    """
    candidates = [arm.name for arm in arms]
    if not candidates:
        raise UserError("there is no run to compare: none finished or diverged")
    if name is not None:
        if name not in candidates:
            raise UserError(f"--baseline {name!r}: no such arm; the arms are {', '.join(map(repr, candidates))}")
        return name
    constant = [arm.name for arm in arms if all(run.constant for run in arm.runs)]
    return min(constant or candidates)


def _check(runs: Sequence[Run], across_tasks: bool) -> None:
    """UserError, with the key, its values and a folder for each, unless the runs can be compared.

    All on one task; across tasks, scores instead of returns. Within a task one budget and one evaluation protocol.
    """
    if across_tasks:
        advice = "tasks share an axis only as scores, which a task without score constants has not; leave it out"
        _require_equal(runs, "unit", lambda run: run.unit, advice)
        if runs and runs[0].unit != "score":
            raise UserError(f"--across-tasks: {runs[0].task} has no score constants, its unit is the return; {advice}")
    else:
        # A task is the id and, after a space, the arguments of the environment.
        advice = "compare one task at a time, or give --across-tasks"
        _require_equal(runs, "env.id", lambda run: run.task.partition(" ")[0], advice)
        _require_equal(runs, "env.wrappers", _changing_wrappers, f"their returns mean different things; {advice}")
        _require_equal(runs, "env.kwargs", lambda run: run.task.partition(" ")[2], advice)
    for task in dict.fromkeys(run.task for run in runs):
        _check_task([run for run in runs if run.task == task])


def _changing_wrappers(run: Run) -> Any:
    """The wrappers of a run's task if they may change its returns, else none."""
    wrappers = run.config.get("env.wrappers", ())
    return "" if keep_returns(wrapper_paths(wrappers)) else wrappers


def _check_task(runs: Sequence[Run]) -> None:
    advice = "compare runs of one budget and one protocol"
    keys: dict[str, None] = {}  # used as an ordered set
    for run in runs:
        keys |= dict.fromkeys(run.protocol)
    for key in keys:
        # key=key: a lambda would otherwise see the last key of the loop.
        _require_equal(runs, key, lambda run, key=key: run.protocol.get(key), advice)
    # Runs of other programs have no protocol; their budgets need only agree up to whole rollouts.
    if any(run.kind == TRAINING for run in runs):
        shortest = min(runs, key=lambda run: run.total_steps)
        longest = max(runs, key=lambda run: run.total_steps)
        if longest.total_steps > TOLERANCE * shortest.total_steps:
            _require_equal([shortest, longest], "env steps", lambda run: run.total_steps, "compare runs of one budget")


def _require_equal(runs: Sequence[Run], key: str, value: Callable[[Run], Any], advice: str) -> None:
    """UserError that names the first SHOWN values of a key, each with one folder, unless all runs have the same."""
    examples: dict[str, Path] = {}
    for run in runs:
        examples.setdefault(text(value(run)) or "none", run.folder)
    if len(examples) <= 1:
        return
    shown = [f"{value} ({folder})" for value, folder in examples.items()][:SHOWN]
    if len(examples) > SHOWN:
        shown.append(f"{len(examples) - SHOWN} more")
    raise UserError(f"{key} differs: {', '.join(shown)}; {advice}")


def _differing_within_tasks(runs: Sequence[Run]) -> tuple[str, ...]:
    tasks = [run.task for run in runs]
    return differing_within(tasks, [run.identity for run in runs])


def _without_copies(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The runs, copies dropped, and a note about these. A copy has the same experiment, seed and curve, bit for bit.

    Copies are no mistake: a sweep over a knob that `none` does not take trains the same run several times.
    """
    originals: dict[Any, Run] = {}
    copies = []
    for run in runs:
        curve = (run.steps.tobytes(), run.scores.tobytes())
        sameness = (run.task, run.seed, text(run.identity), run.status, curve)
        original = originals.setdefault(sameness, run)
        if original is not run:
            copies.append(f"{run.folder} is the same run as {original.folder}: counted once")
    notes = copies[:1]
    if len(copies) > 1:
        notes = [f"{copies[0]}, and {len(copies) - 1} more such copies"]
    return list(originals.values()), notes


def _keys_named(by: Iterable[str], runs: Iterable[Run]) -> list[str]:
    """The words of --by as keys and sections of the runs' identity; UserError for a word that names none."""
    present: set[str] = set()
    for run in runs:
        present |= run.identity.keys()
    wanted = []
    for word in by:
        key = word.replace("/", ".")  # schedule/actor is the option that sets the section schedule.actor
        if key in SHARED:
            # schedule.final sets the knob of both groups: the identity holds it once for each.
            wanted += [f"schedule.{group}.{key.split('.')[1]}" for group in GROUPS]
        elif any(_covers([key], each) for each in present):
            wanted.append(key)
        else:
            sections = sorted({each.split(".")[0] for each in present if "." in each})
            advice = f"give keys such as actor.lr, or sections: {', '.join(sections)}"
            raise UserError(f"--by {word}: no key of these runs; {advice}")
    return wanted


def _covers(wanted: Iterable[str], key: str) -> bool:
    """Whether a key is one of the wanted ones, or lies in one of the wanted sections."""
    return any(key == each or key.startswith(f"{each}.") for each in wanted)


def _arms(runs: Sequence[Run], keys: Collection[str]) -> tuple[Arm, ...]:
    """One arm per set of values of the keys, ordered by name, with its runs ordered by task and seed."""
    members: dict[str, list[Run]] = {}
    run_names = names([run.identity for run in runs], keys)
    for run, name in zip(runs, run_names, strict=True):
        members.setdefault(name, []).append(run)
    arms = []
    for name, own in sorted(members.items()):
        identity = own[0].identity  # in these keys the same for all of them
        values = {key: identity[key] for key in keys if key in identity}
        own.sort(key=lambda run: (run.task, run.seed))
        arms.append(Arm(name, tuple(own), values))
    return tuple(arms)


def _refuse_shared_seeds(arm: Arm, by: Sequence[str]) -> None:
    """UserError for two runs of an arm with one task and seed: differences could not tell which of them to pair."""
    seen: dict[tuple[str, int], Run] = {}
    for run in arm.runs:
        other = seen.setdefault((run.task, run.seed), run)
        if other is not run:
            keys = differing([other.identity, run.identity])
            # Only --by can put different experiments into one arm; without it they are the same run, trained twice.
            way = f"add {' or '.join(keys)} to --by {','.join(by)}" if keys else "they repeat one run; leave one out"
            raise UserError(f"{other.folder} and {run.folder} share seed {run.seed} in the arm {arm.name!r}; {way}")
