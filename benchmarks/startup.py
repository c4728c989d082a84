"""What a person waits for outside training: the start of a run, and what a sweep adds to its runs.

    python benchmarks/startup.py [--rounds 3]                        the start of one run
    python benchmarks/startup.py --before PATH [--jobs 300]          the sweep too, against another checkout

All times are CPU seconds (user and system) of child processes, which other programs disturb less than the clock; the
commands of a row alternate. `first iteration` is a whole run of one iteration, so it holds an evaluation and
the end of the process beside what it is called. `sweep` is the time of `python train.py -m seed=range(0,jobs)` in one
process, without collecting, updating and evaluating, per run; its wall time, forcing files to the disk included, is
printed beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
IMPORTS = ("-c", "import torch, gymnasium, hydra, tensorboard")
ONE_ITERATION = ("train.py", "total_steps=1024", "device=cpu")
# Runs train.py of the current folder with timed training; prints CPU and wall seconds outside it as the last line.
TIMED_SWEEP = """
import json, os, runpy, sys, time
begun = time.perf_counter()
sys.path.insert(0, os.getcwd())
sys.argv[0] = "train.py"
from rl_decay.ppo.agent import PPO
from rl_decay.training import trainer
from rl_decay.training.collector import Collector
training = [0.0, 0.0]

def timed(owner, name):
    function = getattr(owner, name)
    def call(*args, **kwargs):
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            training[0] += time.process_time() - cpu
            training[1] += time.perf_counter() - wall
    setattr(owner, name, call)

timed(Collector, "collect"), timed(PPO, "update"), timed(trainer, "evaluate")
runpy.run_path("train.py", run_name="__main__")
print()
print(json.dumps([time.process_time() - training[0], time.perf_counter() - begun - training[1]]))
"""


def cpu_seconds(words: tuple[str, ...], checkout: Path = ROOT) -> float:
    """CPU seconds of a Python command in a folder of a checkout."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(words, checkout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(words: tuple[str, ...], checkout: Path) -> str:
    """The output of a Python command with the code of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=True).stdout


def start(rounds: int) -> tuple[float, float]:
    """Median CPU seconds of a run of one iteration, and of the imports of the packages that it stands on."""
    runs, imports = [], []
    for _ in range(rounds + 1):  # the first round warms the disk's cache
        with tempfile.TemporaryDirectory() as folder:
            runs.append(cpu_seconds((*ONE_ITERATION, f"hydra.run.dir={folder}/run")))
        imports.append(cpu_seconds(IMPORTS))
    return statistics.median(runs[1:]), statistics.median(imports[1:])


def sweep(checkout: Path, jobs: int) -> tuple[float, float]:
    """CPU and wall seconds per run of a sweep outside training."""
    # Not in a temporary file system of memory, where forcing files to the disk costs nothing.
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        words = ("-m", f"seed=range(0,{jobs})", "total_steps=1024", "device=cpu", "hydra.launcher.workers=1")
        output = run(("-c", TIMED_SWEEP, *words, f"hydra.sweep.dir={folder}/sweep"), checkout)
    cpu, wall = json.loads(output.splitlines()[-1])
    return cpu / jobs, wall / jobs


def row(table: Table, name: str, ratio: float, must: float, goal: float, measured: str) -> None:
    """Add a line: a smaller ratio is better."""
    verdict = "pass, goal reached" if ratio <= goal else "pass" if ratio <= must else "fail"
    table.add_row(name, f"{must:g}", f"{goal:g}", f"{ratio:.3g}", verdict, measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="another checkout of this project, to compare the sweep with")
    parser.add_argument("--jobs", type=int, default=300)
    args = parser.parse_args()
    table = Table("what", "must", "goal", "ratio", "verdict", "CPU seconds", title="outside training")
    own, imports = start(args.rounds)
    row(table, "first iteration / imports", own / imports, 2, 1.5, f"{own:.2f} / {imports:.2f}")
    if args.before is not None:
        after, before = [], []
        for _ in range(args.rounds):
            after.append(sweep(ROOT, args.jobs))
            before.append(sweep(args.before.absolute(), args.jobs))
        (cpu, wall), (cpu_before, wall_before) = (map(statistics.median, zip(*times)) for times in (after, before))
        measured = f"{cpu:.3f} / {cpu_before:.3f} a run (wall {wall:.3f} / {wall_before:.3f})"
        row(table, f"sweep of {args.jobs} / before", cpu / cpu_before, 1 / 5, 1 / 20, measured)
    Console(width=130).print(table)


if __name__ == "__main__":
    main()
