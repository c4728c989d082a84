"""Training speed, side by side with Stable-Baselines3: valid environment steps per second, and their ratio.

    pip install -c constraints.txt -e ".[bench]"
    python benchmarks/speed.py [--rounds 5] [--iterations 60] [--population 30]

Both train PPO on CartPole-v1 with the same hyperparameters (8 environments x 128 steps, 4 epochs, 4 minibatches, two
64-unit tanh layers for the actor and for the critic), on the CPU, with TensorBoard logging, without evaluation. They
take turns within one run, because the speed of a machine drifts. The first iterations and the last are not counted, so
start-up and the end are excluded for both; with --population the steps of all runs together are set against
Stable-Baselines3's one run. Stable-Baselines3 runs with one thread and with all; the faster one counts.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from rich.console import Console
from rich.table import Table

from rl_decay.config.schema import Config
from rl_decay.runs.jobs import Job
from rl_decay.training.population import train_population

NUM_ENVS, NUM_STEPS, EPOCHS, MINIBATCHES, LR = 8, 128, 4, 4, 3e-4
WARM_UP = 5  # iterations


class Stopwatch:
    """A display that notes time and valid steps after every iteration."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def iteration(self, iteration: int, runs: Sequence[Any], scalars: Any, evaluated: bool) -> None:
        """Note an iteration; the last one holds an evaluation and is left out by `rate`."""
        self.marks.append((time.perf_counter(), sum(run.valid_steps for run in runs)))

    def rate(self) -> float:
        """Valid steps per second between the warm-up and the last iteration but one."""
        (start, before), (end, after) = self.marks[WARM_UP], self.marks[-2]
        return (after - before) / (end - start)


def config_of(seed: int, iterations: int) -> Config:
    """Our configuration with the benchmark's hyperparameters; the one evaluation that always ends a run is minimal."""
    config = Config(seed=seed, total_steps=iterations * NUM_ENVS * NUM_STEPS, device="cpu")
    config.env.num_envs, config.algo.num_steps = NUM_ENVS, NUM_STEPS
    config.algo.epochs, config.algo.minibatches = EPOCHS, MINIBATCHES
    config.actor.lr = config.critic.lr = LR
    config.evaluation.early, config.evaluation.late, config.evaluation.episodes = 0, 1, 1
    return config


def rl_decay_rate(iterations: int) -> float:
    """Speed of one run of ours."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        train_population([Job(0, config_of(0, iterations), Path(folder))], show=lambda *_: watch)
    return watch.rate()


def population_rate(iterations: int, members: int, workers: int) -> float:
    """Speed of a population, all members together, over worker processes as a multirun uses them."""
    context = multiprocessing.get_context("spawn")
    edges = [round(i * members / workers) for i in range(workers + 1)]
    barrier = context.Barrier(workers)
    with ProcessPoolExecutor(workers, context, _keep, (barrier,)) as pool:
        return sum(pool.map(_part_rate, [iterations] * workers, edges[:-1], edges[1:]))


def _keep(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _part_rate(iterations: int, first: int, last: int) -> float:
    watch = Stopwatch()
    configs = [config_of(seed, iterations) for seed in range(first, last)]
    with tempfile.TemporaryDirectory() as folder:
        _barrier.wait()  # all workers have started: they compete for the machine as they would in a sweep
        jobs = [Job(config.seed, config, Path(folder, str(config.seed))) for config in configs]
        train_population(jobs, show=lambda *_: watch)
    return watch.rate()


def sb3_rate(iterations: int, threads: int) -> float:
    """Speed of one run of Stable-Baselines3."""
    from stable_baselines3 import PPO  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.callbacks import BaseCallback  # pyright: ignore[reportMissingImports]
    from stable_baselines3.common.vec_env import DummyVecEnv  # pyright: ignore[reportMissingImports]

    marks: list[float] = []

    class Marks(BaseCallback):
        def _on_rollout_start(self) -> None:
            marks.append(time.perf_counter())

        def _on_step(self) -> bool:
            return True

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        model = PPO(
            "MlpPolicy",
            DummyVecEnv([lambda: gym.make("CartPole-v1")] * NUM_ENVS),
            learning_rate=lambda remaining: LR * remaining,
            n_steps=NUM_STEPS,
            batch_size=NUM_ENVS * NUM_STEPS // MINIBATCHES,
            n_epochs=EPOCHS,
            device="cpu",
            tensorboard_log=folder,
            seed=0,
        )
        model.learn(iterations * NUM_ENVS * NUM_STEPS, callback=Marks())
    counted = marks[WARM_UP:-1]
    return (len(counted) - 1) * NUM_ENVS * NUM_STEPS / (counted[-1] - counted[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--population", type=int, metavar="M", help="measure M runs trained together, not one")
    args = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {}
    for _ in range(args.rounds):
        if args.population:
            name = f"rl_decay, {args.population} runs, {cores} workers"
            rates.setdefault(name, []).append(population_rate(args.iterations, args.population, cores))
        else:
            rates.setdefault("rl_decay, 1 thread", []).append(rl_decay_rate(args.iterations))
        for threads in sorted({1, cores}):
            name = f"Stable-Baselines3, {threads} thread(s)"
            rates.setdefault(name, []).append(sb3_rate(args.iterations, threads))
    ours, *theirs = rates
    best = max(theirs, key=lambda name: statistics.median(rates[name]))
    ratios = [a / b for a, b in zip(rates[ours], rates[best], strict=True)]
    table = Table("", "min", "median", "max", title=f"valid environment steps per second, {args.rounds} rounds")
    for name, values in rates.items():
        table.add_row(name, *(f"{x:,.0f}" for x in (min(values), statistics.median(values), max(values))))
    spread = (min(ratios), statistics.median(ratios), max(ratios))
    table.add_row("ratio to the faster", *(f"{x:.2f}" for x in spread))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
