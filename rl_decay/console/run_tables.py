"""The tables of one run: the plan and the schedule before training, the results after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from rl_decay.config.checks import normalization_note, preset_note
from rl_decay.config.code_keys import wrapper_paths
from rl_decay.config.plan import EPISODES_PER_SEGMENT, Plan
from rl_decay.config.schedules import BASE_KEYS, role_curves, unused_knobs
from rl_decay.config.schema import Config, flat
from rl_decay.schedules import describe
from rl_decay.types import GROUPS

RESETS_TOLD = 0.01  # share of steps that only reset an environment, above which the results show both numbers


def plan_table(config: Config, plan: Plan, device: str) -> Table:
    """What will be trained, and what needs attention."""
    table = Table(title="Plan", title_justify="left", show_header=False, box=box.SIMPLE_HEAD)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("task", f"{config.env.id}, {config.env.num_envs} environments ({plan.vec})")
    if config.env.wrappers:
        table.add_row("wrappers", ", then ".join(wrapper_paths(config.env.wrappers)))
    if plan.observation_parts:
        table.add_row("observation parts", Text(plan.observation_parts))  # no markup: the task's own words
    table.add_row("device", f"{device}, {_count(config.threads, 'thread')}, compile={config.compile}")
    table.add_row("iterations", f"{plan.num_iterations:,} of {plan.steps_per_iteration:,} environment steps")
    table.add_row("environment steps", f"{plan.asked_steps:,} asked, {plan.total_steps:,} trained, resets included")
    table.add_row("segments", _segments(plan))
    episodes = _count(config.evaluation.episodes, "episode")
    share = evaluation_share(config, plan)
    table.add_row("evaluations", f"{len(plan.evaluation_points)}, of {episodes} each: at most {share:.0%} of all steps")
    if plan.start:
        table.add_row("continued", f"after iteration {plan.start:,}")
    if config.horizon != "refuse":
        table.add_row("made longer", _horizon(config, plan))
    for knob in unused_knobs(config.schedule):
        table.add_row("[yellow]unused[/]", f"[yellow]{knob}: no chosen curve takes it[/]")
    if note := preset_note(config):
        table.add_row("[yellow]preset[/]", f"[yellow]{note}[/]")
    if note := normalization_note(config):
        table.add_row("[yellow]normalize[/]", f"[yellow]{note}[/]")
    for label, text in plan.notes:
        # As Text, in which rich reads no markup: a note may quote the messages of a task, brackets included.
        table.add_row(Text(label, "yellow"), Text(text, "yellow"))
    return table


def evaluation_share(config: Config, plan: Plan) -> float:
    """The largest share that evaluations can have of all steps, training and evaluations, if every episode is cut."""
    steps = len(plan.evaluation_points) * config.evaluation.episodes * plan.evaluation_cap
    return steps / (steps + plan.total_steps)


def schedule_table(config: Config, plan: Plan) -> Table:
    """Curve and values of each scheduled quantity in the first, the middle and the last iteration."""
    table = Table("schedule", "curve", title="Schedule", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("first", "middle", "last"):
        table.add_column(column, justify="right", no_wrap=True)
    keys = flat(config)
    for role, curve in role_curves(config.schedule).items():
        is_rate = role in GROUPS
        if is_rate or curve.name != "none":  # the rates are always shown, the others if they change
            base = keys[BASE_KEYS[role]]
            values = [f"{base * curve(progress):.3g}" for progress in first_middle_last(config, plan)]
            table.add_row(f"{role} rate" if is_rate else role, _curve_words(curve), *values)
    return table


def first_middle_last(config: Config, plan: Plan) -> list[float]:
    """Progress of the first, the middle and the last iteration."""
    iterations = (0, plan.num_iterations // 2, plan.num_iterations - 1)
    return [plan.clock.progress(iteration, config.schedule.inclusive) for iteration in iterations]


def results_table(summaries: Sequence[dict[str, Any]]) -> Table:
    """How the runs ended."""
    table = Table(title="Results", title_justify="left", box=box.SIMPLE_HEAD)
    columns = ["seed", "status", "final return", "best", "osc_late", "retention", "steps/s"]
    # Gymnasium spends a step on each reset; with short episodes the two numbers of steps differ visibly.
    resets_matter = any(s["env_steps"] - s["valid_steps"] > RESETS_TOLD * s["env_steps"] for s in summaries)
    if resets_matter:
        columns += ["steps", "valid steps"]
    for name in columns:
        table.add_column(name, no_wrap=True, justify="left" if name == "status" else "right")
    for summary in summaries:
        cells = [str(summary["seed"]), summary["status"]]
        cells += [_number(summary[key]) for key in ("final_return", "best_return", "osc_late", "retention")]
        cells.append(f"{summary['steps_per_second']:,.0f}")
        if resets_matter:
            cells += [f"{summary['env_steps']:,}", f"{summary['valid_steps']:,}"]
        table.add_row(*cells)
    return table


def _horizon(config: Config, plan: Plan) -> str:
    held_at = plan.clock.held_at
    if held_at is None:
        return f"horizon={config.horizon}: the schedules end at iteration {plan.clock.horizon_iterations:,}"
    return f"horizon={config.horizon}: the schedules stand still from {held_at:,} on"


def _segments(plan: Plan) -> str:
    words = f"{plan.segments} of {plan.clock.segment_length:,} iterations"
    if plan.segments < plan.segments_asked:
        words += f" ({plan.segments_asked} asked{_fewer_segments(plan)})"
    return words


def _fewer_segments(plan: Plan) -> str:
    """The reason for fewer segments than the configuration asks for."""
    if plan.holds_time_limits:
        return f": each must hold {EPISODES_PER_SEGMENT} time limits of {plan.time_limit:,} steps, and one iteration"
    if plan.time_limit is None:
        return ": each must hold one iteration"
    if plan.segments == 1:
        return f": the run is shorter than {EPISODES_PER_SEGMENT} time limits of {plan.time_limit:,} steps"
    return ""  # a continued run keeps the clock that an older version, with other rules, gave it


def _curve_words(curve: Any) -> str:
    """The name of a curve and its knobs: `cosine final=0.1`."""
    words = [curve.name]
    for key, value in describe(curve).items():
        if key != "curve":
            words.append(f"{key}={value:g}")
    return " ".join(words)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _number(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.4g}"
