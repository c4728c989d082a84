"""What saving and the update-path metrics cost, as shares of the training time.

    python benchmarks/costs.py [--rounds 3] [--steps 60000]

Each run is timed as a whole, and its parts within it, so that a drifting machine cannot be taken for a cost. Saving is
everything that goes into checkpoints and into forcing tables to the disk.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rl_decay.config.schema import Config, unflat
from rl_decay.ppo.update_monitor import UpdateMonitor
from rl_decay.runs import layout
from rl_decay.runs.jobs import Job
from rl_decay.training.population import train_population
from rl_decay.training.saver import Saver
from rl_decay.training.trainer import Trainer

NORMALISED = {"normalize.obs": True, "normalize.reward": True, "algo.num_steps": 256}
TASKS: list[tuple[str, int, dict[str, Any]]] = [  # id, runs together, more keys
    ("CartPole-v1", 1, {}),
    ("Pendulum-v1", 1, NORMALISED),
    ("CartPole-v1", 30, {}),
]
EVERY = {"a segment": None, "10 iterations": 10, "1 iteration": 1}


@contextmanager
def timed(owner: type, name: str) -> Iterator[list[float]]:
    """The seconds of every call of a method inside."""
    method, seconds = getattr(owner, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            seconds.append(time.perf_counter() - begun)

    setattr(owner, name, call)
    try:
        yield seconds
    finally:
        setattr(owner, name, method)


def shares(configs: list[Config]) -> tuple[float, float, int]:
    """Shares of a population's training time spent saving and on update-path metrics; the bytes of a checkpoint."""
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,  # not in a temporary file system of memory
        timed(Trainer, "train") as whole,
        timed(Saver, "save") as saving,
        timed(UpdateMonitor, "report") as monitoring,
    ):
        train_population([Job(config.seed, config, Path(folder, str(config.seed))) for config in configs])
        size = (Path(folder) / "0" / layout.CHECKPOINTS / layout.LATEST).stat().st_size
    return sum(saving) / sum(whole), sum(monitoring) / sum(whole), size


def spread(values: list[float]) -> str:
    """Median and range of shares."""
    return f"{statistics.median(values):.1%} ({min(values):.1%} to {max(values):.1%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60_000)
    args = parser.parse_args()
    table = Table("task", "runs", "checkpoint.every", "saving", "update metrics", "checkpoint", title="training time")
    for task, members, values in TASKS:
        for name, every in EVERY.items():
            config = {"env.id": task, "total_steps": args.steps, "device": "cpu", "checkpoint.every": every, **values}
            configs = [unflat(config | {"seed": seed}) for seed in range(members)]
            saving, monitoring, sizes = zip(*(shares(configs) for _ in range(args.rounds)), strict=True)
            columns = spread([*saving]), spread([*monitoring]), f"{sizes[0] / 1000:,.0f} kB"
            table.add_row(task, str(members), name, *columns)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
