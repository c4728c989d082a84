"""Replay a finished run: python -m rl_decay.evaluate <run folder> [--episodes N] [--checkpoint latest|best|PATH]."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.trust import TRUST
from rl_decay.envs.drawing import without_screen
from rl_decay.evaluate.policy import Policy, load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.evaluate.video import render
from rl_decay.metrics.tasks import score, scored_task, unit
from rl_decay.rng import evaluation_seeds
from rl_decay.system.commands import answered
from rl_decay.system.narrow import fitted
from rl_decay.system.stdout import keep_output
from rl_decay.training.evaluation import Evaluation


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
    torch.set_num_threads(1)  # as in training: more threads may give other bits
    # Around the loading, too: dm_control chooses how it draws once, when it is imported.
    with without_screen() if args.video is not None else nullcontext():
        return answered(lambda: _show(args))


def _show(args: argparse.Namespace) -> int:
    """Print the table of a replay, and make the video if one is wanted; returns the exit code."""
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
    returns = result.returns[0]  # of the only member
    task = scored_task(policy.env.id, policy.env.kwargs, wrapper_paths(policy.env.wrappers))
    mean_score = "-"
    if unit(task) == "score":
        mean_score = f"{float(score(task, returns.mean())):.3f}"
    statistics = (returns.mean(), returns.std(), returns.min(), returns.max(), result.lengths.mean())
    numbers = [f"{x:.1f}" for x in statistics]
    table.add_row(str(len(returns)), *numbers, mean_score)
    return table


if __name__ == "__main__":
    keep_output()
    raise SystemExit(main())
