"""One episode of a policy as a video file."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.progress import Progress

from rl_decay.config.plan import episode_cap
from rl_decay.envs.drawing import advised, without_screen
from rl_decay.envs.examine import examine
from rl_decay.envs.faults import task_error
from rl_decay.envs.generators import preserved_generators
from rl_decay.envs.making import make_env, time_limit
from rl_decay.errors import UserError
from rl_decay.evaluate.policy import Policy

FRAMES_PER_SECOND = 30  # at most: rendering takes most of the time, and nobody sees more frames
SILENCE = 10.0  # seconds between two lines of progress where there is no terminal


@dataclass(frozen=True)
class Film:
    """What a video shows: steps and return of its episode, and whether it was cut before the episode's end."""

    steps: int
    total_reward: float
    cut: bool


def render(policy: Policy, path: Path, seed: int, max_steps: int | None = None) -> Film:
    """Play one episode, of at most `max_steps` steps, and save it as a video; progress goes to standard error.

    The default of max_steps is the cap of the run's evaluations: the task's time limit, or 1,000 steps. UserError for a
    path at which no .mp4 can be written, for a missing package, and for a task that cannot be rendered.
    """
    if path.suffix != ".mp4" or not path.parent.is_dir():
        raise UserError(f"--video {path}: must name an .mp4 file in a folder that exists")
    try:
        from moviepy.video.io.ImageSequenceClip import ImageSequenceClip  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise _extra(error) from error
    wrappers = examine(policy.env, squash=policy.squash).wrappers
    with without_screen(), preserved_generators(), closing(make_env(policy.env, render_mode="rgb_array")) as env:
        limit = max_steps or episode_cap(time_limit(policy.env, env.spec), policy.evaluation_cap)
        for wrapper in wrappers:
            env = wrapper(env)
        rate = float(env.metadata.get("render_fps", FRAMES_PER_SECOND))
        stride = max(1, round(rate / FRAMES_PER_SECOND))  # steps from one frame to the next; the film runs in real time
        film, frames = _play(policy, env, seed, limit, stride)
    ImageSequenceClip(frames, fps=rate / stride).write_videofile(str(path), logger=None)
    return film


def _play(policy: Policy, env: gym.Env, seed: int, limit: int, stride: int) -> tuple[Film, list[np.ndarray]]:
    """Play an episode of at most `limit` steps; returns frames of start, every `stride`-th step and end."""
    what = f"--video: {policy.env.id}"
    total = 0.0
    over = False
    steps = 0
    with _Progress(limit) as progress:
        try:
            obs, _ = env.reset(seed=seed)
        except Exception as error:  # a task's own code
            raise task_error(f"{what}: its reset failed with", error) from error
        frames = [_frame(env, what)]
        while not over and steps < limit:
            try:
                obs, reward, terminated, truncated, _ = env.step(policy(obs))
            except Exception as error:
                raise task_error(f"{what}: its step failed with", error) from error
            total += float(reward)
            steps += 1
            over = terminated or truncated
            if steps % stride == 0 or over or steps == limit:
                frames.append(_frame(env, what))
            progress.step(steps)
    return Film(steps, total, cut=not over), frames


def _frame(env: gym.Env, what: str) -> np.ndarray:
    """The picture of the task's present state; UserError, with `what` in front, if there is none."""
    try:
        frame: Any = env.render()
    except gym.error.DependencyNotInstalled as error:
        raise _extra(error) from error
    except Exception as error:  # a task's own code
        raise advised(task_error(f"{what} cannot be rendered:", error), error) from error
    if np.ndim(frame) != 3:
        raise UserError(f"{what} cannot be rendered: its render returns {type(frame).__name__}, not a picture")
    return np.asarray(frame)


def _extra(error: ImportError | gym.error.Error) -> UserError:
    """The error that names the optional dependencies to install."""
    return UserError(f"--video needs the extra `video`: pip install -e '.[video]' ({error})")


class _Progress:
    """Progress of the rendering: a bar on a terminal, elsewhere a line every ten seconds."""

    def __init__(self, limit: int):
        self._console = Console(stderr=True)
        self._bar = Progress(console=self._console, transient=True, disable=not self._console.is_terminal)
        self._limit = limit
        self._last_line = time.monotonic()
        self._task = self._bar.add_task("rendering", total=limit)

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, steps: int) -> None:
        self._bar.update(self._task, completed=steps)
        if not self._console.is_terminal and time.monotonic() - self._last_line > SILENCE:
            self._last_line = time.monotonic()
            self._console.print(f"rendering: step {steps:,} of at most {self._limit:,}")
