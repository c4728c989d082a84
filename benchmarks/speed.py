"""Training speed, side by side with Stable-Baselines3, against the goals of docs/performance.md.

    pip install -c constraints.txt -e ".[bench]"
    python benchmarks/speed.py [--only NAME ...] [--rounds 5] [--cleanrl FOLDER]     benchmarks/results/speed.json
    python benchmarks/speed.py --docs                      puts the table of that file into docs and README
    python benchmarks/speed.py --memory                                              beside them
    python benchmarks/speed.py --growth                                              benchmarks/results/growth.json

A row trains PPO with the same hyperparameters as Stable-Baselines3 (separate actor and critic of two 64-unit tanh
layers), on the CPU, with TensorBoard logging, without evaluation, and counts valid environment steps per second; of
several runs the steps of all together, over as many worker processes as cores, as a multirun uses them. All take turns
within one process, because the speed of a machine drifts, and the table shows ratios: the median over the rounds, and
the extremes. The first iterations and the last are not counted, so start-up and end are left out for all.
Stable-Baselines3 trains one run, with one thread and with all; the faster one counts. `--cleanrl` points at a checkout
of CleanRL, whose ppo.py (or ppo_continuous_action.py) is then timed on the same setting by the times at which it prints
its steps.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from machine import description
from rich.console import Console
from rich.table import Table

from rl_decay.config.schema import Config
from rl_decay.ppo.net_shape import NetShape
from rl_decay.runs.jobs import Job
from rl_decay.training.population import train_population
from rl_decay.types import Spaces

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
CORES = len(os.sched_getaffinity(0))
WARM_UP = 5  # iterations
LR = 3e-4


@dataclass(frozen=True)
class Setting:
    """A task and the hyperparameters that all trainers use."""

    env_id: str = "CartPole-v1"
    num_envs: int = 8
    num_steps: int = 128
    epochs: int = 4
    minibatches: int = 4
    hidden: int = 64
    iterations: int = 60

    @property
    def steps(self) -> int:
        """Environment steps of an iteration."""
        return self.num_envs * self.num_steps


@dataclass(frozen=True)
class Row:
    """What is measured, and the ratios to Stable-Baselines3's one run that are asked.

    of_bare: the goal is this share of the bare Gymnasium step rate of all cores used, where that is less.
    """

    setting: Setting
    runs: int
    must: float
    goal: float
    of_bare: float | None = None


CHEETAH = Setting("HalfCheetah-v5", 1, 2048, epochs=10, minibatches=32, iterations=12)  # SB3's default setting
ROWS = {
    "one run, CartPole-v1": Row(Setting(), 1, 4, 8),
    "one run, HalfCheetah-v5": Row(CHEETAH, 1, 3, 5, of_bare=0.8),
    "thirty runs, CartPole-v1": Row(Setting(), 30, 16, 30),
    "thirty runs, Acrobot-v1": Row(Setting("Acrobot-v1"), 30, 16, 30),
    "ten runs, HalfCheetah-v5": Row(CHEETAH, 10, 6, float("inf"), of_bare=0.8),
}


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


def config_of(seed: int, setting: Setting) -> Config:
    """Our configuration of a setting; the one evaluation that always ends a run is minimal."""
    config = Config(seed=seed, total_steps=setting.iterations * setting.steps, device="cpu")
    config.env.id, config.env.num_envs = setting.env_id, setting.num_envs
    config.algo.num_steps, config.algo.epochs = setting.num_steps, setting.epochs
    config.algo.minibatches = setting.minibatches
    config.net.hidden = [setting.hidden, setting.hidden]
    config.actor.lr = config.critic.lr = LR
    config.evaluation.early, config.evaluation.late, config.evaluation.episodes = 0, 1, 1
    return config


def rl_decay_rate(setting: Setting, seeds: Sequence[int] = (0,)) -> float:
    """Speed of runs of ours that train as one population in this process."""
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(seed, config_of(seed, setting), Path(folder, str(seed))) for seed in seeds]
        train_population(jobs, show=lambda *_: watch)
    return watch.rate()


def population_rate(setting: Setting, runs: int) -> float:
    """Speed of several runs, all together, in a worker process per core."""
    context = multiprocessing.get_context("spawn")
    edges = [round(i * runs / CORES) for i in range(CORES + 1)]
    shares = [range(first, last) for first, last in pairwise(edges)]
    with ProcessPoolExecutor(CORES, context, _keep, (context.Barrier(CORES),)) as pool:
        return sum(pool.map(_rate_beside_others, [setting] * CORES, shares))


def _keep(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _rate_beside_others(setting: Setting, seeds: Sequence[int]) -> float:
    _barrier.wait()  # all workers have started: they compete for the machine as they would in a sweep
    return rl_decay_rate(setting, seeds)


def sb3_rate(setting: Setting, threads: int) -> float:
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

    iterations = max(setting.iterations // 2, WARM_UP + 4)
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        model = PPO(
            "MlpPolicy",
            DummyVecEnv([lambda: gym.make(setting.env_id)] * setting.num_envs),
            learning_rate=lambda remaining: LR * remaining,
            n_steps=setting.num_steps,
            batch_size=setting.steps // setting.minibatches,
            n_epochs=setting.epochs,
            policy_kwargs={"net_arch": [setting.hidden, setting.hidden]},
            device="cpu",
            tensorboard_log=folder,
            seed=0,
        )
        model.learn(iterations * setting.steps, callback=Marks())
    torch.set_num_threads(1)
    counted = marks[WARM_UP:-1]
    return (len(counted) - 1) * setting.steps / (counted[-1] - counted[0])


def cleanrl_rate(setting: Setting, folder: Path) -> float:
    """Speed of one run of the CleanRL checkout in `folder`, with its own TensorBoard logging."""
    space = gym.make(setting.env_id).action_space
    script = folder / "cleanrl" / ("ppo.py" if isinstance(space, gym.spaces.Discrete) else "ppo_continuous_action.py")
    iterations = max(setting.iterations // 2, WARM_UP + 4)
    options = {
        "env-id": setting.env_id,
        "total-timesteps": iterations * setting.steps,
        "num-envs": setting.num_envs,
        "num-steps": setting.num_steps,
        "num-minibatches": setting.minibatches,
        "update-epochs": setting.epochs,
    }
    words = [sys.executable, "-u", str(script), "--no-cuda"]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    with tempfile.TemporaryDirectory() as runs:
        environment = os.environ | {"PYTHONPATH": str(folder)}
        with subprocess.Popen(words, cwd=runs, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            # One line an iteration; its time is that of its arrival.
            marks = [time.perf_counter() for line in process.stdout if line.startswith("SPS:")]
    if process.returncode or len(marks) < WARM_UP + 3:
        raise SystemExit(f"{script}: ended with {process.returncode} after {len(marks)} iterations")
    counted = marks[WARM_UP:]
    return (len(counted) - 1) * setting.steps / (counted[-1] - counted[0])


def bare_rate(env_id: str, steps: int = 5000) -> float:
    """Steps per second of Gymnasium alone, one copy in one process, random actions."""
    env = gym.make(env_id)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(steps)]
    start = time.perf_counter()
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return steps / (time.perf_counter() - start)


def measure(row: Row, rounds: int, cleanrl: Path | None) -> dict[str, list[float]]:
    """Steps per second of everybody in every round, taking turns."""
    trainers: dict[str, Callable[[], float]] = {"rl_decay": lambda: rl_decay_rate(row.setting)}
    if row.runs > 1:
        trainers["rl_decay"] = lambda: population_rate(row.setting, row.runs)
    for threads in sorted({1, CORES}):
        name = f"Stable-Baselines3, {threads} thread{'s' if threads > 1 else ''}"
        trainers[name] = lambda threads=threads: sb3_rate(row.setting, threads)
    if cleanrl is not None:
        trainers["CleanRL"] = lambda: cleanrl_rate(row.setting, cleanrl)
    if row.of_bare is not None:
        trainers["Gymnasium alone"] = lambda: bare_rate(row.setting.env_id)
    rates: dict[str, list[float]] = {name: [] for name in trainers}
    for _ in range(rounds):
        for name, trainer in trainers.items():
            rates[name].append(trainer())
    return rates


def result_of(row: Row, rates: dict[str, list[float]]) -> dict[str, Any]:
    """The ratios to Stable-Baselines3 per round, and what was asked of their median."""
    theirs = [name for name in rates if name.startswith("Stable-Baselines3")]
    best = max(theirs, key=lambda name: statistics.median(rates[name]))
    ratios = [a / b for a, b in zip(rates["rl_decay"], rates[best], strict=True)]
    goal = row.goal
    if row.of_bare is not None:
        cores = min(row.runs, CORES)
        bare = statistics.median(rates["Gymnasium alone"]) / statistics.median(rates[best])
        goal = min(goal, row.of_bare * cores * bare)
    result = {"ratios": ratios, "must": row.must, "goal": goal, "rates": rates}
    if "CleanRL" in rates:
        pairs = zip(rates["rl_decay"], rates["CleanRL"], strict=True)
        result["to_cleanrl"] = [ours / cleanrl for ours, cleanrl in pairs]
    return result


def verdict(ratio: float, must: float, goal: float) -> str:
    """What a ratio reaches."""
    return "goal" if ratio >= goal else "must" if ratio >= must else "FAILS"


def show(results: dict[str, Any]) -> None:
    """The table of all rows of the file."""
    table = Table("", "must", "goal", "ratio to SB3", "extremes", "ratio to CleanRL", "reaches")
    for name, result in results["rows"].items():
        ratio = statistics.median(result["ratios"])
        extremes = f"{min(result['ratios']):.1f} to {max(result['ratios']):.1f}"
        cleanrl = f"{statistics.median(result['to_cleanrl']):.1f}" if "to_cleanrl" in result else ""
        asked = (f"{result['must']:g}", f"{result['goal']:.1f}")
        table.add_row(name, *asked, f"{ratio:.1f}", extremes, cleanrl, verdict(ratio, result["must"], result["goal"]))
    if memory := results.get("memory per member"):
        ratio = memory["measured"] / memory["arithmetic"]
        reaches = "goal" if ratio <= 1.5 else "must" if ratio <= 2 else "FAILS"
        measured = f"{memory['measured'] / 1e3:.0f} kB"
        table.add_row("memory of one member more", "2", "1.5", f"{ratio:.1f} x arithmetic", measured, "", reaches)
    Console(width=110).print(table)


def write_into_docs(results: dict[str, Any]) -> None:
    """Put the table into docs/performance.md and its two first numbers into README.md."""
    rows = results["rows"]
    lines = ["| | must | goal | measured (extremes) | reaches | processor, commit |", "|---|---|---|---|---|---|"]
    for name, result in rows.items():
        ratio = statistics.median(result["ratios"])
        extremes = f"{ratio:.1f} ({min(result['ratios']):.1f} to {max(result['ratios']):.1f})"
        reaches = verdict(ratio, result["must"], result["goal"])
        machine = f"{result['processor']}, {result['cores']} cores, {result['commit']}"
        lines.append(f"| {name} | {result['must']:g} | {result['goal']:.1f} | {extremes} | {reaches} | {machine} |")
    _replace_between_marks(ROOT / "docs" / "performance.md", "\n".join(lines))
    one, thirty = (
        statistics.median(rows[name]["ratios"]) for name in ("one run, CartPole-v1", "thirty runs, CartPole-v1")
    )
    sentence = (
        f"- **Fast.** {one:.0f} times the environment steps per second of Stable-Baselines3 on CartPole-v1, and\n"
        f"  {thirty:.0f} times in a sweep of 30 runs on its two cores. [docs/performance.md](docs/performance.md) has\n"
        "  the tasks, the rounds and what was tried."
    )
    _replace_between_marks(ROOT / "README.md", sentence)


def _replace_between_marks(path: Path, text: str) -> None:
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def growth() -> dict[str, Any]:
    """Steps per second in one process against the number of members and against the width of the layers."""
    members = {}
    for count in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        setting = Setting(iterations=max(12, min(60, 600 // count)))
        members[count] = rl_decay_rate(setting, range(count))
    widths = {}
    for width in (16, 32, 64, 128, 256, 512):
        widths[width] = rl_decay_rate(Setting(hidden=width, iterations=20), range(4))
    return {"members": members, "widths of 4 members": widths, "multiplications": multiplications()}


def memory_per_member(setting: Setting, few: int = 10, many: int = 110) -> dict[str, float]:
    """Bytes of resident memory that a member more takes at the peak, and what its arrays need by arithmetic."""
    peaks = []
    context = multiprocessing.get_context("spawn")
    for count in (few, many):
        with ProcessPoolExecutor(1, context) as pool:
            peaks.append(pool.submit(_peak, setting, count).result())
    parameters = 2 * sum(NetShape(Spaces(4, 2, continuous=False), (setting.hidden, setting.hidden)).sizes)
    floats_of_a_step = 4 + 1  # observation and reward
    rollout = setting.steps * (4 * floats_of_a_step + 8 + 3)  # and an action, and three flags
    arithmetic = 3 * 4 * parameters + rollout  # three: Adam's two moments
    return {"measured": (peaks[1] - peaks[0]) / (many - few), "arithmetic": arithmetic}


def _peak(setting: Setting, members: int) -> float:
    rl_decay_rate(replace(setting, iterations=WARM_UP + 3), range(members))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def multiplications() -> float:
    """Floating-point operations per second of the largest matrix product that PyTorch does here on one thread."""
    torch.set_num_threads(1)
    a, b = torch.rand(30, 256, 64), torch.rand(30, 64, 64)
    best = 0.0
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(20):
            torch.bmm(a, b)
        best = max(best, 20 * 2 * 30 * 256 * 64 * 64 / (time.perf_counter() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cleanrl", type=Path, metavar="FOLDER")
    parser.add_argument("--docs", action="store_true", help="only put what was measured into docs and README")
    parser.add_argument("--growth", action="store_true", help="measure growth only")
    parser.add_argument("--memory", action="store_true", help="measure memory only")
    args = parser.parse_args()
    if args.growth:
        (RESULTS / "growth.json").write_text(json.dumps(description() | growth(), indent=1) + "\n")
        return
    path = RESULTS / "speed.json"
    if args.docs:
        write_into_docs(json.loads(path.read_text()))
        return
    if args.memory:
        results = json.loads(path.read_text())
        results["memory per member"] = memory_per_member(Setting()) | description()
        path.write_text(json.dumps(results, indent=1) + "\n")
        show(results)
        return
    results = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    for name in args.only:
        rates = measure(ROWS[name], args.rounds, args.cleanrl)
        results["rows"][name] = result_of(ROWS[name], rates) | description()
        path.write_text(json.dumps(results, indent=1) + "\n")  # after every row: an interruption loses one at most
    show(results)


if __name__ == "__main__":
    main()
