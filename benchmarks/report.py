"""How long a comparison takes: many runs of made-up curves, through the command line, figures included.

    python benchmarks/report.py [--seeds 100] [--evaluations 200] [--iterations 500]

Three arms of as many seeds. Printed: seconds from the start of `python -m rl_decay.compare` to its end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config, flat
from rl_decay.metrics import score
from rl_decay.runs import layout
from rl_decay.runs.evaluation_history import evaluation_summary
from rl_decay.runs.summary import versions, write_summary
from rl_decay.runs.tables import CsvTable

STEPS, EPISODES = 1000, 10  # env steps per iteration, episodes per evaluation


def write_run(folder: Path, curve: str, seed: int, evaluations: int, iterations: int) -> None:
    """A finished run of CartPole-v1: returns that level off, with noise that the rate scales."""
    config = Config(seed=seed, total_steps=iterations * STEPS)
    config.schedule.actor.curve = config.schedule.critic.curve = curve
    config.env.num_envs, config.algo.num_steps, config.evaluation.episodes = 10, STEPS // 10, EPISODES
    rate = role_curves(config.schedule)["actor"]
    progress = np.arange(1, evaluations + 1) / evaluations
    noise = np.random.default_rng([seed, len(curve)]).normal(0, 40, evaluations) * [rate(p) for p in progress]
    returns = np.clip(480 * (1 - np.exp(-5 * progress)) + noise, 20, 500)
    steps = np.round(progress * iterations).astype(int) * STEPS
    folder.mkdir(parents=True)
    table = CsvTable(folder / layout.EVALUATIONS_CSV, layout.evaluation_columns(EPISODES))
    for t, r in zip(steps, returns):
        row = {"env_steps": t, "iteration": t // STEPS, "return_mean": r, "return_std": 0.0, "episode_length": r}
        table.append(row | {"score": float(score(config.env.id, r))} | {f"return_{i}": r for i in range(EPISODES)})
    table.flush()
    table = CsvTable(folder / layout.METRICS_CSV, layout.METRIC_COLUMNS)
    for i in range(iterations):
        lr = {f"lr/{group}": config.actor.lr * rate(i / iterations) for group in ("actor", "critic")}
        filled = dict.fromkeys(layout.TAGS, float(noise[0]))  # as wide as a real row
        table.append(filled | lr | {"env_steps": (i + 1) * STEPS, "iteration": i + 1, "valid_steps": (i + 1) * STEPS})
    table.flush()
    total = iterations * STEPS
    about = {"status": layout.FINISHED, "reason": None, "env_id": config.env.id, "seed": seed, "config": flat(config)}
    about |= {"fingerprint": fingerprint(experiment_values(config)), "overrides": [], "versions": versions()}
    about |= {"env_steps": total, "valid_steps": total, "iterations": iterations}
    write_summary(folder, about | evaluation_summary(config.env.id, steps.astype(float), returns, total))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for curve in ("none", "linear", "linear_warmup"):
            for seed in range(args.seeds):
                write_run(Path(folder, f"{curve}_{seed}"), curve, seed, args.evaluations, args.iterations)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rl_decay.compare", folder], check=True)
        seconds = time.perf_counter() - begun
    print(f"{3 * args.seeds} runs of {args.evaluations} evaluations: {seconds:.1f} s")


if __name__ == "__main__":
    main()
