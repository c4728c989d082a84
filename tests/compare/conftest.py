"""Run folders written by hand, with the product's own writers: no training, every number known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config, flat
from rl_decay.metrics.tasks import constants, scored_task, unit
from rl_decay.runs import layout
from rl_decay.runs.evaluation_history import evaluation_summary
from rl_decay.runs.summary import versions, write_summary
from rl_decay.runs.tables import CsvTable
from rl_decay.schedules import progress

EPISODES = 2


def write_run(
    folder: str | Path,
    *,
    curves: tuple[str, str] = ("none", "none"),
    seed: int = 0,
    scores: Sequence[float] | None = None,
    grid: int | None = None,
    status: str = layout.FINISHED,
    reason: str | None = None,
    overrides: Sequence[str] | None = None,
    training: Sequence[float] | None = None,
    **config_keys: Any,
) -> Path:
    """Write a run folder (also its parents) and return it.

    A run has 100 iterations of 100 env steps. `scores` (or returns, where the task has no constants) are its
    evaluations, at the first points of an even grid of `grid` points (as many as there are scores); by default 30 that
    rise to 1 and then stay there with a little noise of this seed. A run that is not finished ends with its last
    evaluation. `training` are the returns of its 100 iterations in metrics.csv. Keys of the configuration are written
    with two underscores: actor__lr=0.1.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    config = _config(curves, seed, config_keys)
    scores = np.asarray(_rising(seed) if scores is None else scores, dtype=float)
    total = config.total_steps // (config.env.num_envs * config.algo.num_steps)
    ends = [round(total * (i + 1) / (grid or max(len(scores), 1))) for i in range(len(scores))]
    iterations = total if status == layout.FINISHED else max(ends, default=0)
    task = scored_task(config.env.id, config.env.kwargs)
    returns = _returns(task, scores)
    per_iteration = config.env.num_envs * config.algo.num_steps
    steps = np.array(ends, dtype=float) * per_iteration
    _write_evaluations(folder, ends, steps, returns, scores if unit(task) == "score" else None)
    _write_metrics(folder, config, iterations, total, np.linspace(20, 200, total) if training is None else training)
    curve = {"schedule/actor": curves[0], "schedule/critic": curves[1], "seed": seed} | config_keys
    summary = {
        "status": status,
        "reason": reason,
        "env_id": config.env.id,
        "seed": seed,
        "config": flat(config),
        "fingerprint": fingerprint(experiment_values(config)),
        "overrides": [f"{k.replace('__', '.')}={v}" for k, v in curve.items()] if overrides is None else overrides,
        "threads": 1,
        "compile": "none",
        "vec": "sync",
        "device": "cpu",
        "segment_length": 10,
        "versions": versions(),
        "env_steps": iterations * per_iteration,
        "valid_steps": iterations * per_iteration,
        "iterations": iterations,
        "wall_seconds": 1.0,
        "steps_per_second": float(iterations * per_iteration),
    }
    write_summary(folder, summary | evaluation_summary(task, steps, returns, total * per_iteration))
    return folder


def write_sweep(
    folder: str | Path, arms: dict[str, Sequence[Sequence[float]]] | None = None, seeds: int = 6, **config_keys: Any
) -> Path:
    """Write a sweep of runs: {curve of both groups: the scores of seeds 0, 1, ...}; by default none and linear."""
    folder = Path(folder)
    for curve in arms or ("none", "linear"):
        for seed in range(len(arms[curve]) if arms else seeds):
            scores = arms[curve][seed] if arms else None
            write_run(
                folder / f"{curve}-{curve}_seed{seed}", curves=(curve, curve), seed=seed, scores=scores, **config_keys
            )
    return folder


@pytest.fixture
def make_run():
    """Write a run folder: make_run(folder, curves=("none", "none"), seed=0, scores=..., status="finished", ...)."""
    return write_run


@pytest.fixture
def make_sweep():
    """Write a sweep folder: make_sweep(folder, {"none": [scores of seed 0, ...], "linear": [...]})."""
    return write_sweep


def _config(curves: tuple[str, str], seed: int, keys: dict[str, Any]) -> Config:
    config = Config(seed=seed, device="cpu", total_steps=10_000)
    config.schedule.actor.curve, config.schedule.critic.curve = curves
    defaults = {"env__num_envs": 4, "algo__num_steps": 25, "evaluation__episodes": EPISODES}
    for key, value in (defaults | keys).items():
        *path, leaf = key.split("__")
        owner: Any = config
        for name in path:
            owner = getattr(owner, name)
        assert hasattr(owner, leaf), key
        setattr(owner, leaf, value)
    return config


def _rising(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.01, 30)
    return np.minimum(np.linspace(0.1, 2.0, 30), 1.0) + noise


def _returns(task: str, scores: np.ndarray) -> np.ndarray:
    known = constants(task)
    return scores if known is None else known.random + scores * (known.reference - known.random)


def _write_evaluations(
    folder: Path, ends: Sequence[int], steps: np.ndarray, returns: np.ndarray, scores: np.ndarray | None
) -> None:
    table = CsvTable(folder / layout.EVALUATIONS_CSV, layout.evaluation_columns(EPISODES))
    for i, end in enumerate(ends):
        row = {"env_steps": int(steps[i]), "iteration": end, "return_mean": returns[i], "return_std": 0.0}
        row |= {"score": None if scores is None else scores[i], "episode_length": 10.0}
        table.append(row | {f"return_{n}": returns[i] for n in range(EPISODES)})
    table.flush()


def _write_metrics(folder: Path, config: Config, iterations: int, total: int, training: Sequence[float]) -> None:
    table, curves = CsvTable(folder / layout.METRICS_CSV, layout.METRIC_COLUMNS), role_curves(config.schedule)
    per_iteration = config.env.num_envs * config.algo.num_steps
    for i in range(iterations):
        p = progress(i, total, config.schedule.inclusive)
        rates = {"lr/actor": config.actor.lr * curves["actor"](p), "lr/critic": config.critic.lr * curves["critic"](p)}
        counters = {"env_steps": (i + 1) * per_iteration, "iteration": i + 1, "valid_steps": (i + 1) * per_iteration}
        table.append(counters | rates | {"charts/episodic_return": training[i], "charts/return_100": training[i]})
    table.flush()
