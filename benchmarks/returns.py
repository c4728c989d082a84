"""Learning tables: what `python train.py ...` reaches on each task, over several seeds.

    python benchmarks/returns.py [--only NAME ...] [--seeds 5]     trains, writes benchmarks/results/returns.json
    python benchmarks/returns.py --readme                          puts the table of that file into README.md

The seeds of a row are trained as one population; each gives the run that its command gives alone. A row is replaced in
the file when it is trained again. `training return` is the mean of a run's last 100 training episodes (stochastic
policy), `evaluation return` its final_return (deterministic policy, last 10 % of training); both as mean and standard
deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir

from rl_decay.config.schema import Config
from rl_decay.hydra_app.compose import checked
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import METRICS_CSV
from rl_decay.runs.summary import versions
from rl_decay.runs.tables import read
from rl_decay.training.population import train_population

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "returns.json"
BEGIN, END = "<!-- returns: begin -->", "<!-- returns: end -->"

# name -> (overrides, what is asked of the training return, what others report)
ROWS = {
    "cartpole-cleanrl": ("env=cartpole experiment=cleanrl", ">= 470", "490 +- 6 (CleanRL), 495 +- 9 (SB3)"),
    "acrobot-cleanrl": ("env=acrobot experiment=cleanrl", ">= -95", "-86 +- 1 (CleanRL), -85 +- 2 (SB3)"),
    "pendulum": ("env=pendulum total_steps=300_000", "> -250", "-172 (RL Zoo, 100k), -175 (SLM-Lab, 300k)"),
    "mountain-car-continuous": ("env=mountain_car_continuous total_steps=200_000", "> 88", "88 (RL Zoo, gSDE)"),
    "mountain-car": ("env=mountain_car total_steps=1_000_000", "> -140", "-110 (RL Zoo), -200 (CleanRL, 500k)"),
    "cartpole": ("", "evaluation >= 475 for each seed", "500 (RL Zoo, 100k)"),
    "acrobot": ("env=acrobot", "", "-86 +- 1 (CleanRL)"),
}


def configurations(overrides: str, seeds: int) -> list[Config]:
    """The configurations that `python train.py <overrides> seed=...` composes."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return [
            checked(compose("config", [*overrides.split(), f"seed={seed}", "logger=none"])) for seed in range(seeds)
        ]


def measure(name: str, seeds: int) -> dict[str, Any]:
    """Train one row."""
    overrides, asked, others = ROWS[name]
    configs = configurations(overrides, seeds)
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(config.seed, config, Path(folder, str(config.seed))) for config in configs]
        start = time.perf_counter()
        results = train_population(jobs)
        seconds = time.perf_counter() - start
        training = [float(read(job.folder / METRICS_CSV)["charts/return_100"][-1]) for job in jobs]
    return {
        "name": name,
        "task": configs[0].env.id,
        "steps": results[0].summary["env_steps"],
        "command": f"python train.py {overrides}".strip(),
        "asked": asked,
        "others": others,
        "seeds": [config.seed for config in configs],
        "training": training,
        "evaluation": [result.final_return for result in results],
        "statuses": [result.status for result in results],
        "seconds_all_seeds": round(seconds, 1),
        "commit": _git("rev-parse", "--short", "HEAD")
        + ("+" if _git("status", "--porcelain", "-uno", "--", ".", ":!benchmarks/results") else ""),
        "versions": versions(),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table of the README."""
    lines = [
        "| task, environment steps | command (seeds) | training return | evaluation return | asked | others report |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        seeds = f"seeds {row['seeds'][0]}-{row['seeds'][-1]}"
        lines.append(
            f"| {row['task']}, {row['steps']:,} | `{row['command']}` ({seeds}) | {_spread(row['training'])} "
            f"| {_spread(row['evaluation'])} | {row['asked']} | {row['others']} |"
        )
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    return "\n".join([*lines, "", f"Mean +- standard deviation over seeds; measured at commit {commits}."])


def write_readme() -> None:
    """Put the table of the results file between the README's two marks."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n{markdown(json.loads(RESULTS.read_text()))}\n{END}{after}")


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} +- {statistics.pstdev(values):.1f}"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    if args.readme:
        return write_readme()
    rows = {row["name"]: row for row in json.loads(RESULTS.read_text())} if RESULTS.exists() else {}
    for name in args.only:
        rows[name] = measure(name, args.seeds)
        print(markdown([rows[name]]), rows[name]["statuses"], f"{rows[name]['seconds_all_seeds']} s\n", flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([rows[n] for n in ROWS if n in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
