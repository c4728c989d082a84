"""Replay a finished run: python -m rl_decay.evaluate <run folder> [--episodes N] [--checkpoint latest|best|PATH]."""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from rl_decay.commands import answered
from rl_decay.config import memory
from rl_decay.envs.examine import examine
from rl_decay.envs.generators import kept
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.errors import one_line
from rl_decay.machine import free_memory, refuse_beyond
from rl_decay.metrics.tasks import score, scored_task, unit
from rl_decay.narrow import fitted
from rl_decay.policy import Policy, load_policy
from rl_decay.rng import evaluation_seeds
from rl_decay.stdout import keep_output
from rl_decay.training.evaluation import Evaluation, evaluate
from rl_decay.training.plan import recorded_cap
from rl_decay.trust import TRUST
from rl_decay.video import render


def replay(policy: Policy, episodes: int | None = None) -> Evaluation:
    """Evaluate a policy on the reset seeds of its own run's evaluations; the run's number of episodes unless given."""
    count = episodes or policy.config["evaluation.episodes"]
    copies = count * memory.COPY[policy.config["vec"]]
    refuse_beyond(copies, free_memory(), f"--episodes {one_line(count, longest=40)}: as many environments need")
    seeds = evaluation_seeds(policy.config["evaluation.seed"], count)
    vec = policy.config["vec"]
    wrappers = examine(policy.env, vec).wrappers
    with kept(), closing(GymnasiumVec(policy.env, count, vec, wrappers)) as envs:
        cap = recorded_cap(envs.time_limit, policy.evaluation_cap)
        return evaluate(policy.act, envs, seeds, 1, torch.device("cpu"), cap=cap)


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m rl_decay.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder")
    parser.add_argument("--episodes", type=int, help="default: as many as the run's own evaluations")
    parser.add_argument("--checkpoint", default="latest", help="latest, best, or the path of a checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=TRUST)
    parser.add_argument("--video", type=Path, help="save the first episode as this .mp4 file")
    parser.add_argument("--max-steps", type=int, help="of --video; default: the task's time limit, or 1,000")
    args = parser.parse_args(argv)
    for option, number in (("--episodes", args.episodes), ("--max-steps", args.max_steps)):
        if number is not None and number < 1:
            parser.error(f"{option} {number}: must be at least 1")
    torch.set_num_threads(1)
    return answered(lambda: _show(args))


def _show(args: argparse.Namespace) -> int:
    policy = load_policy(args.folder, args.checkpoint, args.trust)
    result = replay(policy, args.episodes)
    console = Console()
    console.print(fitted(console, _table(policy, result)))
    if args.video is not None:
        seed = evaluation_seeds(policy.config["evaluation.seed"], 1)[0]
        film = render(policy, args.video, seed, args.max_steps)
        extent = f"the first {film.steps:,} steps of an episode" if film.cut else "one episode"
        print(f"{args.video}: {extent}, return {film.total_reward:.1f}")
    return 0


def _table(policy: Policy, result: Evaluation) -> Table:
    table = Table("episodes", "return", "std", "min", "max", "length", "score", box=box.SIMPLE_HEAD)
    table.title = f"{policy.env.id} after iteration {policy.iteration}"
    returns = result.returns[0]
    task = scored_task(policy.env.id, policy.env.kwargs)
    mean = f"{float(score(task, returns.mean())):.3f}" if unit(task) == "score" else "-"
    numbers = [f"{x:.1f}" for x in (returns.mean(), returns.std(), returns.min(), returns.max(), result.lengths.mean())]
    table.add_row(str(len(returns)), *numbers, mean)
    return table


if __name__ == "__main__":
    keep_output()
    raise SystemExit(main())
