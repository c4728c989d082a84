"""What saving costs: the share of the training time that goes into checkpoints and into forcing tables to the disk.

    python benchmarks/checkpoints.py [--rounds 3] [--steps 60000]

Each run is timed as a whole, and its saving within it, so that a drifting machine cannot be taken for a cost.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rl_decay import build
from rl_decay.config.schema import Config, unflat
from rl_decay.runs import layout
from rl_decay.training.trainer import Trainer

NORMALISED = {"normalize.obs": True, "normalize.reward": True, "algo.num_steps": 256}
TASKS: list[tuple[str, int, dict[str, Any]]] = [  # id, members, more keys
    ("CartPole-v1", 1, {}),
    ("Pendulum-v1", 1, NORMALISED),
    ("CartPole-v1", 30, {}),
]
EVERY = {"a segment": None, "10 iterations": 10, "1 iteration": 1}


def saving_share(configs: list[Config]) -> tuple[float, int]:
    """Share of a population's training time in [0, 1] that it spent saving, and the bytes of a checkpoint."""
    spent = 0.0
    save, train = Trainer._save, Trainer.train

    def timed_save(self: Trainer, *args: Any, **kwargs: Any) -> None:
        nonlocal spent
        begun = time.perf_counter()
        save(self, *args, **kwargs)
        spent += time.perf_counter() - begun

    total = 0.0

    def timed_train(self: Trainer) -> None:
        nonlocal total
        begun = time.perf_counter()
        train(self)
        total = time.perf_counter() - begun

    Trainer._save, Trainer.train = timed_save, timed_train
    try:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not in a temporary file system of memory
            build.run(configs, [Path(folder, str(config.seed)) for config in configs])
            size = (Path(folder) / "0" / layout.CHECKPOINTS / layout.LATEST).stat().st_size
    finally:
        Trainer._save, Trainer.train = save, train
    return spent / total, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60_000)
    args = parser.parse_args()
    table = Table("task", "runs", "checkpoint.every", "share of the training time", "checkpoint", title="saving")
    for task, members, values in TASKS:
        for name, every in EVERY.items():
            config = {"env.id": task, "total_steps": args.steps, "device": "cpu", "checkpoint.every": every, **values}
            configs = [unflat(config | {"seed": seed}) for seed in range(members)]
            measured = [saving_share(configs) for _ in range(args.rounds)]
            shares = [share for share, _ in measured]
            spread = f"{statistics.median(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"
            table.add_row(task, str(members), name, spread, f"{measured[0][1] / 1000:,.0f} kB")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
