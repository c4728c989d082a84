"""Runs of other programs, from their TensorBoard files: training returns, and what their names say about them.

cleanrl   <env>__<experiment>__<seed>__<time>, charts/episodic_return (one per episode), charts/learning_rate, and the
          hyperparameters as a table in a text summary
sb3       Stable-Baselines3: rollout/ep_rew_mean (of the last 100 episodes), train/learning_rate; seed and task by name
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rl_decay.compare.model import TRAINING, Run, Unfinished
from rl_decay.compare.reading.measures import measure_training, training_curve
from rl_decay.compare.reading.own import Loaded, collect
from rl_decay.errors import UserError
from rl_decay.metrics.tasks import score, unit
from rl_decay.runs import layout
from rl_decay.runs.event_reader import Events, read_events
from rl_decay.runs.files import entries, exists

EPISODES = 100  # in the mean of a training return, as in charts/return_100 and rollout/ep_rew_mean
MOST_DIGITS = 100  # of a seed, or of a number of env steps
COMPLETE = 0.95  # share of the steps asked for; programs stop at whole rollouts
HYPERPARAMETERS = "hyperparameters/text_summary"  # |param|value|, a rule, then a line for each
# What decides nothing, or follows from the other hyperparameters.
IGNORED = {
    *("seed", "env_id", "total_timesteps", "batch_size", "minibatch_size", "num_iterations", "num_updates"),
    *("track", "wandb_project_name", "wandb_entity", "capture_video", "save_model", "upload_model", "hf_entity"),
    *("cuda", "torch_deterministic"),
}
TASK = re.compile(r"[A-Za-z][A-Za-z0-9]*-v\d+")
SEED = re.compile(r"[-_.]?seed[-_=]?(\d+)")
NUMBER = re.compile(r"_(\d+)$")  # Stable-Baselines3 numbers the runs of one name


class Described(NamedTuple):
    """What names and hyperparameters say about a run."""

    task: str
    seed: int
    config: dict[str, str]
    asked: int  # env steps; 0 where nothing says it


def load(folders: Iterable[str | Path], source: str, task: str | None = None) -> Loaded:
    """Read the runs of another program in or below the folders; `task` overrides what their names say.

    A run with a damaged event file, without returns, or whose task or seed nothing tells, is skipped with a line.
    Errors: UserError for a folder that does not exist and a source that is not in SOURCES.
    """
    if source not in SOURCES:
        raise UserError(f"--from {source}: no such program; choose one of {', '.join(SOURCES)}")
    return collect(folders, is_foreign, lambda folder: (read(folder, source, task), []))


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds event files that no run of this program wrote."""
    ours = layout.is_run(folder) or exists(folder / layout.ARM_MARK)
    return not ours and bool(_event_files(folder))


def read(folder: Path, source: str, task: str | None = None) -> Run | Unfinished:
    """Read the run of a folder. Errors: UserError, which names file or folder and what is missing."""
    events = read_events(_event_files(folder))
    describe, return_tag, rate_tag, episodes = SOURCES[source]
    about = describe(folder, events, task)
    end = max((step for steps, _ in events.scalars.values() for step in steps), default=0)
    steps, returns = _trailing_means(*events.curve(return_tag), episodes)
    if end < COMPLETE * about.asked:
        return Unfinished(folder, "unfinished", end / about.asked, f"its events end at env step {end} of {about.asked}")
    if not len(steps):
        raise UserError(f"{folder}: its event files have no {return_tag}; run skipped")
    whole = np.isfinite(returns)
    first = int(np.argmin(whole)) if not whole.all() else len(whole)
    steps, returns = training_curve(steps[:first], returns[:first], end)
    scores, kind, rate = score(about.task, returns), unit(about.task), events.curve(rate_tag)
    constant = len(rate[1]) > 0 and bool((rate[1] == rate[1][0]).all())
    return Run(
        folder=folder,
        task=about.task,
        seed=about.seed,
        config=about.config,
        status=layout.FINISHED if whole.all() else layout.DIVERGED,
        total_steps=end,
        unit=kind,
        steps=steps,
        scores=scores,
        rates={group: rate for group in ("actor", "critic") if len(rate[0])},
        versions={},
        overrides=(),
        source=source,
        kind=TRAINING,
        identity={"source": source, **about.config},
        constant=constant,
        metrics=measure_training(steps, scores, end, kind),
    )


def _event_files(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.name.startswith(layout.EVENTS)]


def _cleanrl(folder: Path, events: Events, task: str | None) -> Described:
    rows = (line.strip("|").split("|", 1) for line in events.texts.get(HYPERPARAMETERS, "").splitlines()[2:])
    table = {row[0]: row[1] for row in rows if len(row) == 2}
    parts = folder.name.split("__")
    named = len(parts) >= 4
    task = task or table.get("env_id") or (parts[0] if named else None)
    seed = table.get("seed") or (parts[-2] if named else "")
    config = {"exp_name": "__".join(parts[1:-2])} if named else {}
    config |= {key: value for key, value in table.items() if key not in IGNORED}
    asked = _whole_number(table.get("total_timesteps", "")) or 0
    return Described(_task(folder, task), _seed(folder, seed), config, asked)


def _sb3(folder: Path, events: Events, task: str | None) -> Described:
    parts = folder.absolute().parts
    label = "/".join(parts[-2:])
    tasks = TASK.findall("/".join(parts[-4:]))
    seed = SEED.search(label) or NUMBER.search(folder.name)
    for pattern in (TASK, SEED, NUMBER):
        label = pattern.sub("", label)
    config = {"experiment": label.strip("/_-") or "all"}
    task = task or (tasks[-1] if tasks else None)  # the nearest
    return Described(_task(folder, task), _seed(folder, seed[1] if seed else ""), config, 0)


SOURCES = {
    "cleanrl": (_cleanrl, "charts/episodic_return", "charts/learning_rate", EPISODES),
    "sb3": (_sb3, "rollout/ep_rew_mean", "train/learning_rate", 1),
}


def _task(folder: Path, task: str | None) -> str:
    if not task:
        raise UserError(f"{folder}: neither names nor hyperparameters tell its task; give --task; run skipped")
    return task


def _seed(folder: Path, text: str) -> int:
    seed = _whole_number(text)
    if seed is None:
        raise UserError(f"{folder}: nothing tells its seed; name the folder ..._seed<N>; run skipped")
    return seed


def _whole_number(text: str) -> int | None:
    """The number that a text of decimal digits stands for; None for any other text, and for absurdly long ones."""
    # Python refuses to read more than 4,300 digits, and a float cannot hold more than 308.
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _trailing_means(steps: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the latest `count` values at each point [n]; of all so far where there are fewer."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    first = np.maximum(np.arange(1, len(total)) - count, 0)
    return steps, (total[1:] - total[first]) / np.minimum(np.arange(1, len(total)), count)
