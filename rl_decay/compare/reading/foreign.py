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

from rl_decay.compare.model import TRAINING, Points, Run, Unfinished
from rl_decay.compare.reading.measures import measure_training, training_curve
from rl_decay.compare.reading.own import Loaded, collect
from rl_decay.errors import UserError
from rl_decay.metrics.tasks import score, unit
from rl_decay.runs import layout
from rl_decay.runs.event_reader import Events, read_events
from rl_decay.runs.files import entries, exists
from rl_decay.types import GROUPS

EPISODES = 100  # in the mean of a training return, as in charts/return_100 and rollout/ep_rew_mean
MOST_DIGITS = 100  # of a seed, or of a number of env steps
COMPLETE = 0.95  # share of the steps asked for; programs stop at whole rollouts
HYPERPARAMETERS = "hyperparameters/text_summary"  # |param|value|, a rule, then a line for each
# Hyperparameters that do not change the learning, or that follow from the others.
IGNORED = {
    *("seed", "env_id", "total_timesteps", "batch_size", "minibatch_size", "num_iterations", "num_updates"),
    *("track", "wandb_project_name", "wandb_entity", "capture_video", "save_model", "upload_model", "hf_entity"),
    *("cuda", "torch_deterministic"),
}
TASK = re.compile(r"[A-Za-z][A-Za-z0-9]*-v\d+")
SEED = re.compile(r"[-_.]?seed[-_=]?(\d+)")
NUMBER = re.compile(r"_(\d+)$")  # Stable-Baselines3 numbers the runs of one name


class Description(NamedTuple):
    """The facts about a run that its names and hyperparameters reveal."""

    task: str
    seed: int
    config: dict[str, str]
    asked_steps: int  # env steps that were asked for; 0 if nothing says it


def load(folders: Iterable[str | Path], source: str, task: str | None = None) -> Loaded:
    """Read the runs of another program in or below the folders; `task` overrides what their names say.

    A run with a damaged event file, without returns, or whose task or seed nothing tells, is skipped with a line.
    Errors: UserError for a folder that does not exist and a source that is not in SOURCES.
    """
    if source not in SOURCES:
        raise UserError(f"--from {source}: no such program; choose one of {', '.join(SOURCES)}")
    return collect(folders, is_foreign, lambda folder: (_read(folder, source, task), []))


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds event files that no run of this program wrote."""
    ours = layout.is_run(folder) or exists(folder / layout.ARM_MARK)
    return not ours and bool(_event_files(folder))


def _read(folder: Path, source: str, task: str | None) -> Run | Unfinished:
    """Read the run of a folder. Errors: UserError, which names file or folder and what is missing."""
    events = read_events(_event_files(folder))
    describe, return_tag, rate_tag, episodes = SOURCES[source]
    about = describe(folder, events, task)
    end = _last_step(events)
    if end < COMPLETE * about.asked_steps:
        reason = f"its events end at env step {end} of {about.asked_steps}"
        return Unfinished(folder, "unfinished", end / about.asked_steps, reason)
    steps, returns = events.points(return_tag)
    if not len(steps):
        raise UserError(f"{folder}: its event files have no {return_tag}; run skipped")
    steps, means = _finite_means((steps, returns), episodes)
    diverged = len(means) < len(returns)
    steps, means = training_curve(steps, means, end)
    scores = score(about.task, means)
    rate_steps, rates = events.points(rate_tag)
    return Run(
        folder=folder,
        task=about.task,
        seed=about.seed,
        config=about.config,
        status=layout.DIVERGED if diverged else layout.FINISHED,
        total_steps=end,
        unit=unit(about.task),
        steps=steps,
        scores=scores,
        # These programs train both networks with one rate.
        rates={group: (rate_steps, rates) for group in GROUPS if len(rates)},
        versions={},
        overrides=(),
        source=source,
        notes=(),
        kind=TRAINING,
        identity={"source": source, **about.config},
        protocol={},
        constant=len(rates) > 0 and bool((rates == rates[0]).all()),
        started_by="",
        metrics=measure_training(steps, scores, end, unit(about.task)),
    )


def _event_files(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.name.startswith(layout.EVENTS)]


def _last_step(events: Events) -> int:
    """The largest env step of any scalar; 0 without scalars."""
    last = 0
    for steps, _ in events.scalars.values():
        last = max(last, max(steps, default=0))
    return last


def _cleanrl(folder: Path, events: Events, task: str | None) -> Description:
    table = _hyperparameters(events)
    parts = folder.name.split("__")  # <env>__<experiment>__<seed>__<time>; the experiment may hold __ itself
    config: dict[str, str] = {}
    seed = table.get("seed")
    task = task or table.get("env_id")
    if len(parts) >= 4:
        config["exp_name"] = "__".join(parts[1:-2])
        seed = seed or parts[-2]
        task = task or parts[0]
    config |= {key: value for key, value in table.items() if key not in IGNORED}
    asked_steps = _whole_number(table.get("total_timesteps", "")) or 0
    return Description(_require_task(folder, task), _require_seed(folder, seed or ""), config, asked_steps)


def _hyperparameters(events: Events) -> dict[str, str]:
    """CleanRL's table of hyperparameters; {} without one."""
    table = {}
    for line in events.texts.get(HYPERPARAMETERS, "").splitlines()[2:]:
        name, separator, value = line.strip("|").partition("|")
        if separator:
            table[name] = value
    return table


def _sb3(folder: Path, events: Events, task: str | None) -> Description:
    parts = folder.absolute().parts
    label = "/".join(parts[-2:])
    tasks = TASK.findall("/".join(parts[-4:]))
    seed = SEED.search(label) or NUMBER.search(folder.name)
    # The experiment is what is left of the names without task and seed: runs that share it are an arm.
    for pattern in (TASK, SEED, NUMBER):
        label = pattern.sub("", label)
    config = {"experiment": label.strip("/_-") or "all"}
    if not task and tasks:
        task = tasks[-1]  # of the folder nearest to the files
    return Description(_require_task(folder, task), _require_seed(folder, seed[1] if seed else ""), config, 0)


# How to describe a run, the tags of its returns and rates, and how many returns to average at each point.
SOURCES = {
    "cleanrl": (_cleanrl, "charts/episodic_return", "charts/learning_rate", EPISODES),
    "sb3": (_sb3, "rollout/ep_rew_mean", "train/learning_rate", 1),
}


def _require_task(folder: Path, task: str | None) -> str:
    if not task:
        raise UserError(f"{folder}: neither names nor hyperparameters tell its task; give --task; run skipped")
    return task


def _require_seed(folder: Path, text: str) -> int:
    seed = _whole_number(text)
    if seed is None:
        raise UserError(f"{folder}: nothing tells its seed; name the folder ..._seed<N>; run skipped")
    return seed


def _whole_number(text: str) -> int | None:
    """The number that a text of decimal digits stands for; None for any other text, and for absurdly long ones."""
    # Python refuses to read more than 4,300 digits, and a float cannot hold more than 308.
    return int(text) if text.isdecimal() and len(text) <= MOST_DIGITS else None


def _finite_means(points: Points, count: int) -> Points:
    """The trailing means of a curve, up to the first that is not finite: there the run diverged."""
    steps, values = points
    means = _trailing_means(values, count)
    finite = np.isfinite(means)
    sound = len(means) if finite.all() else int(np.argmin(finite))  # argmin finds the first False
    return steps[:sound], means[:sound]


def _trailing_means(values: np.ndarray, count: int) -> np.ndarray:
    """The mean of the latest `count` values at each point, [n] -> [n]; of all so far where there are fewer."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    after = np.arange(1, len(total))  # total[after[i]] is the sum up to and including point i
    first = np.maximum(after - count, 0)
    return (total[after] - total[first]) / (after - first)
