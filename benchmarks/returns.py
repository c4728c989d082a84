"""Learning tables: what `python train.py ...` reaches on each task, over several seeds.

    python benchmarks/returns.py [--only NAME ...]     trains, writes benchmarks/results/returns.json
    python benchmarks/returns.py --readme              puts the table of that file into README.md

The seeds of a row are trained as one population; each gives the run that its command gives alone. The runs lie in
benchmarks/runs/<row>/<seed> and continue there after an interruption; to train a row anew, remove its folder. A row is
replaced in the file when its runs have ended. `training return` is the mean of a run's last 100 training episodes
(stochastic policy), `evaluation return` its final_return (deterministic policy, last 10 % of training); both as mean
and standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir

from rl_decay.config.schema import Config
from rl_decay.hydra_app.compose import checked
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import METRICS_CSV
from rl_decay.runs.tables import read
from rl_decay.training.population import train_population

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "benchmarks" / "runs"
RESULTS = ROOT / "benchmarks" / "results" / "returns.json"
BEGIN, END = "<!-- returns: begin -->", "<!-- returns: end -->"


@dataclass(frozen=True)
class Row:
    """One line of the table: what is typed, what is asked of it and what others report.

    asked: of the mean training return, unless it says otherwise.
    """

    overrides: str
    asked: str = ""
    others: str = ""
    seeds: int = 5


CLEANRL = "experiment=cleanrl_continuous"
# The references of MuJoCo tasks are for the versions v4 and older, the tasks here are v5.
ROWS = {
    "cartpole-cleanrl": Row("env=cartpole experiment=cleanrl", ">= 470", "490 +- 6 (CleanRL), 495 +- 9 (SB3)"),
    "acrobot-cleanrl": Row("env=acrobot experiment=cleanrl", ">= -95", "-86 +- 1 (CleanRL), -85 +- 2 (SB3)"),
    "pendulum": Row("env=pendulum total_steps=300_000", "> -250", "-172 (RL Zoo, 100k), -175 (SLM-Lab, 300k)"),
    "mountain-car-continuous": Row("env=mountain_car_continuous total_steps=200_000", "> 88", "88 (RL Zoo, gSDE)"),
    "mountain-car": Row("env=mountain_car total_steps=1_000_000", "> -140", "-110 (RL Zoo), -200 (CleanRL, 500k)"),
    "cartpole": Row("", "evaluation >= 475 for each seed", "500 (RL Zoo, 100k)"),
    "acrobot": Row("env=acrobot", "", "-86 +- 1 (CleanRL)"),
    "halfcheetah": Row(f"env=halfcheetah {CLEANRL}", ">= 1300", "1443 +- 46 (CleanRL, v4), 2263 +- 1197 (v2)", 3),
    "hopper": Row(f"env=hopper {CLEANRL}", ">= 1900", "2383 +- 272 (CleanRL, v4)", 3),
    "walker2d": Row(f"env=walker2d {CLEANRL}", ">= 1700", "2288 +- 572 (CleanRL, v4)", 3),
    "inverted-pendulum": Row(f"env=inverted_pendulum {CLEANRL}", ">= 900", "963 +- 22 (CleanRL, v4)", 3),
    "swimmer": Row("env=swimmer schedule=none", ">= 200", "282 +- 10 (RL Zoo, v3), 282 (SLM-Lab, v5, 4M)", 3),
    "lunar-lander": Row(
        "env=lunar_lander schedule=none", "evaluation >= 200", "242 +- 32 (RL Zoo, v2), 183 (SLM-Lab, 300k)", 3
    ),
    "bipedal-walker": Row("env=bipedal_walker schedule=none", "evaluation >= 250", "288 +- 2 (RL Zoo)", 3),
}
NOT_MEASURED = "not measured"


def configurations(overrides: str, seeds: int) -> list[Config]:
    """The configurations that `python train.py <overrides> seed=...` composes."""
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return [
            checked(compose("config", [*overrides.split(), f"seed={seed}", "logger=none"])) for seed in range(seeds)
        ]


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Train one row, or what is left of it in a folder."""
    row = ROWS[name]
    configs = configurations(row.overrides, row.seeds)
    jobs = [Job(config.seed, replace(config, resume="auto"), folder / str(config.seed)) for config in configs]
    commit = _commit_of(folder)
    results = train_population(jobs)
    return {
        "name": name,
        "task": jobs[0].config.env.id,
        "steps": results[0].summary["env_steps"],
        "command": f"python train.py {row.overrides}".strip(),
        "asked": row.asked,
        "others": row.others,
        "seeds": [job.config.seed for job in jobs],
        "training": [float(read(job.folder / METRICS_CSV)["charts/return_100"][-1]) for job in jobs],
        "evaluation": [result.final_return for result in results],
        "statuses": [result.status for result in results],
        # Of the slowest seed: the members of a population share their time.
        "seconds_all_seeds": round(max(result.summary["wall_seconds"] for result in results), 1),
        "commit": commit,
        "versions": results[0].summary["versions"],
    }


def _commit_of(folder: Path) -> str:
    """The commit at which the runs of a row were begun, written down beside them."""
    path = folder / "commit"
    if not path.exists():
        changed = _git("status", "--porcelain", "-uno", "--", ".", ":!benchmarks/results")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(_git("rev-parse", "--short", "HEAD") + ("+" if changed else "") + "\n")
    return path.read_text().strip()


def markdown(rows: Mapping[str, dict[str, Any]]) -> str:
    """The table of the README: rows that were measured, by name, and a line for each that was not."""
    lines = [
        "| task, environment steps | command (seeds) | training return | evaluation return | asked | others report | "
        "minutes, commit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in ROWS.items():
        if name not in rows:
            command = f"python train.py {row.overrides}".strip()
            lines.append(f"| | `{command}` | {NOT_MEASURED} | | {row.asked} | {row.others} | |")
            continue
        measured = rows[name]
        seeds = f"seeds {measured['seeds'][0]}-{measured['seeds'][-1]}"
        lines.append(
            f"| {measured['task']}, {measured['steps']:,} | `{measured['command']}` ({seeds}) "
            f"| {_spread(measured['training'])} | {_spread(measured['evaluation'])} | {measured['asked']} "
            f"| {measured['others']} | {measured['seconds_all_seeds'] / 60:.0f}, {measured['commit']} |"
        )
    return "\n".join([*lines, "", "Mean +- standard deviation over seeds; minutes of all seeds together on one core."])


def write_readme() -> None:
    """Put the table of the results file between the README's two marks."""
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n{markdown(recorded())}\n{END}{after}")


def recorded() -> dict[str, dict[str, Any]]:
    """The rows of the results file by name."""
    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    return {row["name"]: row for row in rows}


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} +- {statistics.pstdev(values):.1f}"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    if args.readme:
        return write_readme()
    for name in args.only:
        measured = measure(name, RUNS / name)
        print(name, _spread(measured["training"]), _spread(measured["evaluation"]), measured["statuses"], flush=True)
        rows = recorded() | {name: measured}
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps([rows[n] for n in ROWS if n in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
