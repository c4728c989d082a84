"""Replay a finished run: python -m rl_decay.evaluate <run folder> [--episodes N] [--checkpoint latest|best|PATH]."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from rl_decay.envs.gymnasium_vec import GymnasiumVec, single
from rl_decay.errors import UserError, error_words, one_line
from rl_decay.metrics.tasks import score, scored_task, unit
from rl_decay.policy import Policy, load_policy
from rl_decay.rng import evaluation_seeds
from rl_decay.training.evaluation import Evaluation, evaluate
from rl_decay.trust import TRUST


def replay(policy: Policy, episodes: int | None = None) -> Evaluation:
    """Evaluate a policy on the reset seeds of its own run's evaluations; the run's number of episodes unless given."""
    count = episodes or policy.config["evaluation.episodes"]
    seeds = evaluation_seeds(policy.config["evaluation.seed"], count)
    with closing(GymnasiumVec(policy.env, count, policy.config["vec"])) as envs:
        return evaluate(policy.act, envs, seeds, 1, torch.device("cpu"))


def main(argv: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser("python -m rl_decay.evaluate", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run folder")
    parser.add_argument("--episodes", type=int, help="default: as many as the run's own evaluations")
    parser.add_argument("--checkpoint", default="latest", help="latest, best, or the path of a checkpoint")
    parser.add_argument("--trust", action="append", default=[], metavar="MODULE", help=TRUST)
    parser.add_argument("--video", type=Path, help="save the first episode as this .mp4 file")
    args = parser.parse_args(argv)
    if args.episodes is not None and args.episodes < 1:
        parser.error(f"--episodes {args.episodes}: must be at least 1")
    torch.set_num_threads(1)
    try:
        policy = load_policy(args.folder, args.checkpoint, args.trust)
        result = replay(policy, args.episodes)
        Console().print(_table(policy, result))
        if args.video is not None:
            seed = evaluation_seeds(policy.config["evaluation.seed"], 1)[0]
            total = render(policy, args.video, seed)
            print(f"{args.video}: one episode, return {total:.1f}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def render(policy: Policy, path: Path, seed: int) -> float:
    """Play one episode and save it as a video; returns the episode's return.

    UserError for a path that no .mp4 can be written to, and for a missing package.
    """
    if path.suffix != ".mp4" or not path.parent.is_dir():
        raise UserError(f"--video {path}: must name an .mp4 file in a folder that exists")
    try:
        from moviepy.video.io.ImageSequenceClip import ImageSequenceClip  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"--video needs the extra `video`: pip install -e '.[video]' ({one_line(error)})") from error
    env = single(policy.env, render_mode="rgb_array")
    obs, _ = env.reset(seed=seed)
    try:
        frames, total, over = [env.render()], 0.0, False
    except gym.error.DependencyNotInstalled as error:
        raise UserError(f"--video needs the extra `video`: pip install -e '.[video]' ({one_line(error)})") from error
    except Exception as error:  # a task's own code
        raise UserError(f"--video: {policy.env.id} cannot be rendered ({error_words(error)})") from error
    while not over:
        obs, reward, terminated, truncated, _ = env.step(policy(obs))
        total, over = total + float(reward), terminated or truncated
        frames.append(env.render())
    fps = env.metadata.get("render_fps", 30)
    env.close()
    ImageSequenceClip([np.asarray(frame) for frame in frames], fps=fps).write_videofile(str(path), logger=None)
    return total


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
    raise SystemExit(main())
