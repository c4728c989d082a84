"""What a person sees: the plan before training, progress during it, results after it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from rl_decay.config.checks import preset_note
from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.plan import EPISODES_PER_SEGMENT, Plan
from rl_decay.config.schedules import BASE_KEYS, FOLLOWERS, role_curves, unused_knobs
from rl_decay.config.schema import Config, flat
from rl_decay.config.trust import modules_to_trust
from rl_decay.console import duration
from rl_decay.errors import one_line
from rl_decay.runs.continuation import continue_command
from rl_decay.runs.files import entries
from rl_decay.runs.layout import EVENTS, INTERRUPTED
from rl_decay.runs.recorder import RunSink
from rl_decay.schedules import describe
from rl_decay.system.narrow import fitted
from rl_decay.system.shell import as_typed

log = logging.getLogger("rl_decay")
SILENCE = 10.0  # seconds without a log line
RESETS_TOLD = 0.01  # share of steps that only reset an environment, above which the results show both numbers
SPEED_KNOWN = 3  # iterations after which a run's duration is estimated: the first is slower than those that follow
WIDE = 115  # columns of a terminal that has room for the rates


def plan_table(config: Config, plan: Plan, device: str) -> Table:
    """What will be trained, and what needs attention."""
    table = Table(title="Plan", title_justify="left", show_header=False, box=box.SIMPLE_HEAD)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("task", f"{config.env.id}, {config.env.num_envs} environments ({config.vec})")
    if config.env.wrappers:
        table.add_row("wrappers", ", then ".join(wrapper_paths(config.env.wrappers)))
    table.add_row("device", f"{device}, {_count(config.threads, 'thread')}, compile={config.compile}")
    table.add_row("iterations", f"{plan.num_iterations:,} of {plan.steps_per_iteration:,} environment steps")
    table.add_row("environment steps", f"{plan.asked_steps:,} asked, {plan.total_steps:,} trained, resets included")
    table.add_row("segments", _segments(plan))
    table.add_row(
        "evaluations", f"{len(plan.evaluation_points)}, of {_count(config.evaluation.episodes, 'episode')} each"
    )
    if plan.start:
        table.add_row("continued", f"after iteration {plan.start:,}")
    if config.horizon != "refuse":
        table.add_row("made longer", _horizon(config, plan))
    for knob in unused_knobs(config.schedule):
        table.add_row("[yellow]unused[/]", f"[yellow]{knob}: no chosen curve takes it[/]")
    if note := preset_note(config):
        table.add_row("[yellow]preset[/]", f"[yellow]{note}[/]")
    for label, text in plan.notes:
        table.add_row(Text(label, "yellow"), Text(text, "yellow"))  # no markup: it may quote a task's own words
    return table


def schedule_table(config: Config, plan: Plan) -> Table:
    """Curve and values of each scheduled quantity in the first, the middle and the last iteration."""
    table = Table("schedule", "curve", title="Schedule", title_justify="left", box=box.SIMPLE_HEAD)
    for moment in ("first", "middle", "last"):
        table.add_column(moment, justify="right", no_wrap=True)
    keys = flat(config)
    for role, curve in role_curves(config.schedule).items():
        if role in FOLLOWERS or curve.name != "none":
            name = f"{role} rate" if role in FOLLOWERS else role
            base = keys[BASE_KEYS[role]]
            values = (f"{base * curve(p):.3g}" for p in moments(config, plan))
            table.add_row(name, _words(curve), *values)
    return table


def moments(config: Config, plan: Plan) -> list[float]:
    """Progress of the first, the middle and the last iteration."""
    iterations = (0, plan.num_iterations // 2, plan.num_iterations - 1)
    return [plan.clock.progress(t, config.schedule.inclusive) for t in iterations]


def results_table(summaries: Sequence[dict[str, Any]]) -> Table:
    """How the runs ended."""
    table = Table(title="Results", title_justify="left", box=box.SIMPLE_HEAD)
    columns = ["seed", "status", "final return", "best", "osc_late", "retention", "steps/s"]
    resets_matter = any(s["env_steps"] - s["valid_steps"] > RESETS_TOLD * s["env_steps"] for s in summaries)
    if resets_matter:
        columns += ["steps", "valid steps"]
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name == "status" else "right")
    for s in summaries:
        numbers = [_number(s[key]) for key in ("final_return", "best_return", "osc_late", "retention")]
        steps = [f"{s[key]:,}" for key in ("env_steps", "valid_steps")] if resets_matter else []
        table.add_row(str(s["seed"]), s["status"], *numbers, f"{s['steps_per_second']:,.0f}", *steps)
    return table


class Terminal:
    """A progress bar on a terminal; elsewhere plain log lines, at evaluations and every ten seconds."""

    def __init__(self) -> None:
        self._console = Console()
        self._bar: Progress | None = None
        self._muted: list[logging.Handler] = []

    def plan(self, config: Config, plan: Plan, device: str) -> Terminal:
        """Print the plan and begin to show progress."""
        for table in (plan_table(config, plan, device), schedule_table(config, plan)):
            self._console.print(fitted(self._console, table))
        self._plan, self._started, self._spoke = plan, time.monotonic(), time.monotonic()
        if self._console.is_terminal:
            self._mute_log()
            columns = progress_columns()
            self._bar = Progress(*columns, console=self._console)
            self._task = self._bar.add_task("starting", total=plan.num_iterations)
            self._bar.start()
        return self

    def iteration(
        self, iteration: int, runs: Sequence[RunSink], scalars: dict[str, np.ndarray], evaluated: bool
    ) -> None:
        """Show an iteration: return, steps/s, time left, both rates."""
        narrow = self._bar is not None and self._console.width < WIDE
        words = partial(_progress_words, runs, scalars, narrow)
        if self._bar is not None:
            self._bar.update(self._task, completed=iteration, description=words())
        done, to_do = iteration - self._plan.start, self._plan.num_iterations - iteration
        left = duration.remaining(time.monotonic() - self._started, done, to_do)
        if done == SPEED_KNOWN and to_do:
            log.info("it will take about %s at this speed, evaluations aside", duration.in_words(left))
        if evaluated or time.monotonic() - self._spoke > SILENCE:
            self._spoke = time.monotonic()
            log.info("iteration %d/%d, %s, ETA %.0f s", iteration, self._plan.num_iterations, words(), left)

    def stop(self) -> None:
        """Leave terminal and log as they were."""
        if self._bar is not None:
            self._bar.stop()
        for handler in self._muted:
            handler.removeFilter(_warnings_only)

    def results(self, summaries: Sequence[dict[str, Any]], folder: Path) -> None:
        """Print how the runs ended and how to look at them."""
        self._console.print(fitted(self._console, results_table(summaries)))
        for summary in summaries:
            if summary["reason"]:
                print(f"{summary['status']}: {one_line(summary['reason'])}")
        print(f"folder: {as_typed(folder)}")
        if any(summary["status"] == INTERRUPTED for summary in summaries):
            trust = [module for summary in summaries for module in modules_to_trust(summary["config"])]
            print(f"continue it: {continue_command(folder, trust)}")
        if any(path.name.startswith(EVENTS) for path in entries(folder)):
            print(f"look at it: tensorboard --logdir {as_typed(folder)}")

    def _mute_log(self) -> None:
        """While the bar is on the screen, log lines go to the file alone."""
        self._muted = [h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler]
        for handler in self._muted:
            handler.addFilter(_warnings_only)


def progress_columns(count: ProgressColumn | None = None) -> tuple[ProgressColumn, ...]:
    """A bar, a count (by default of what is complete), the time left, and a description that is cut before they are."""
    fixed = Column(no_wrap=True, min_width=7)
    return (
        BarColumn(12),
        count or MofNCompleteColumn(table_column=fixed),
        TimeRemainingColumn(table_column=fixed),
        TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )


def _progress_words(runs: Sequence[RunSink], scalars: dict[str, np.ndarray], narrow: bool) -> str:
    returns = [run.return_100 for run in runs if run.running]
    evaluations = [run.eval_returns[-1] for run in runs if run.running and run.eval_returns]
    speed = sum(run.valid_steps for run in runs) / runs[0].wall_seconds
    lr = " ".join(f"{group} {scalars[f'lr/{group}'][0]:.2e}" for group in FOLLOWERS)
    evaluation = f", eval {_mean(evaluations)}" if evaluations else ""
    words = f"return {_mean(returns)}{evaluation}, {speed:,.0f} steps/s"
    return words if narrow else f"{words}, lr {lr}"


def _warnings_only(line: logging.LogRecord) -> bool:
    return line.levelno >= logging.WARNING


def _horizon(config: Config, plan: Plan) -> str:
    held = plan.clock.held_at
    what = f"end at iteration {plan.clock.horizon_iterations:,}" if held is None else f"stand still from {held:,} on"
    return f"horizon={config.horizon}: the schedules {what}"


def _segments(plan: Plan) -> str:
    words = f"{plan.segments} of {plan.clock.segment_length:,} iterations"
    if plan.segments < plan.segments_asked:
        words += f" ({plan.segments_asked} asked{_fewer_segments(plan)})"
    return words


def _fewer_segments(plan: Plan) -> str:
    """Why there are fewer segments than were asked for."""
    if plan.holds_time_limits:
        return f": each must hold {EPISODES_PER_SEGMENT} time limits of {plan.time_limit:,} steps, and one iteration"
    if plan.time_limit is None:
        return ": each must hold one iteration"
    if plan.segments == 1:
        return f": the run is shorter than {EPISODES_PER_SEGMENT} time limits of {plan.time_limit:,} steps"
    return ""  # the clock of a run that was begun by other rules


def _words(curve: Any) -> str:
    knobs = {key: value for key, value in describe(curve).items() if key != "curve"}
    return " ".join([curve.name, *(f"{key}={value:g}" for key, value in knobs.items())])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _mean(values: Sequence[float]) -> str:
    return f"{np.mean(values):.1f}" if values and not np.isnan(values).any() else "-"


def _number(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.4g}"
