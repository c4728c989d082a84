"""The figure of the learning curves: scores, and beneath them the rates of actor and critic over the same env steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rl_decay.compare.analysis import study
from rl_decay.compare.analysis.alignment import baseline_first, in_returns, measured
from rl_decay.compare.figures.style import OVERLAID, Look, empty_figure, label, legend_above, legend_height
from rl_decay.compare.model import Arm, Comparison, Run

COLUMNS = 2
LARGE, SMALL = 5.0, 3.0  # height of a panel in inches, its legend aside


def learning_curves(comparison: Comparison, looks: dict[str, Look]) -> Any:
    """Mean and 95 % band per arm; all arms in one panel, or, where they are many, each in its own with the baseline.

    Several tasks get panels of their own.
    """
    arms = baseline_first(comparison)
    together = [arms] if len(arms) <= OVERLAID else [(arms[0], arm) for arm in arms[1:]]
    panels = [(task, shown) for task in comparison.tasks for shown in together]
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    tallest = max(legend_height([arm.name for arm in shown]) for _, shown in panels)
    figure = empty_figure(rows * (tallest + (LARGE if columns == 1 else SMALL)))
    places = figure.subfigures(rows, columns, squeeze=False).flat
    tops = [_panel(place, comparison, task, shown, looks) for place, (task, shown) in zip(places, panels, strict=False)]
    if len(panels) == 1:
        _returns_axis(tops[0], comparison)
    limits = np.array([top.get_ylim() for top in tops])
    for top in tops:
        top.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    return figure


def _panel(place: Any, comparison: Comparison, task: str, arms: Sequence[Arm], looks: dict[str, Look]) -> Any:
    """Draw one task of some arms into a subfigure; returns the axes of the scores."""
    top, actor, critic = place.subplots(3, 1, sharex=True, height_ratios=[3, 1, 1])
    for arm in arms:
        here, look = replace(arm, runs=tuple(run for run in arm.runs if run.task == task)), looks[arm.name]
        _draw_scores(top, comparison, here, look)
        _draw_rate(actor, here.runs, "actor", look)
        _draw_rate(critic, here.runs, "critic", look)
    top.set_ylabel(f"{measured(comparison)} {comparison.unit}")
    _scale_rates(actor, "actor")
    _scale_rates(critic, "critic")
    _count_steps(critic)
    legend = legend_above(top, top, [arm.name for arm in arms])
    if len(comparison.tasks) > 1:
        legend.set_title(label(task))
    return top


def _draw_scores(ax: Any, comparison: Comparison, arm: Arm, look: Look) -> None:
    known = comparison.curves if len(comparison.tasks) == 1 else {}  # those of several tasks are means over tasks
    # Without a run there is a line all the same: the legend takes lines in the order of the arms.
    steps, mean, low, high = known.get(arm.name) or (study.curve(arm) if arm.runs else np.empty((4, 0)))
    ax.plot(steps, mean, **look.curve)
    ax.fill_between(steps, low, high, color=look.color, alpha=0.15, linewidth=0)


def _draw_rate(ax: Any, runs: Sequence[Run], role: str, look: Look) -> None:
    """The rate of one seed: the others of the arm have the same, those that diverged less of it."""
    rates = [run.rates[role] for run in runs if role in run.rates and len(run.rates[role][0])]
    if rates:
        steps, rate = max(rates, key=lambda curve: len(curve[0]))
        ax.plot(steps, rate, **look.curve)


def _scale_rates(ax: Any, role: str) -> None:
    highest = max((float(np.nanmax(line.get_ydata())) for line in ax.get_lines()), default=0.0) or 1.0
    ax.set_ylim(0, 1.15 * highest)
    ax.set_yticks([0, highest], ["0", f"{highest:.2g}"])
    ax.set_ylabel(f"{role}\nrate")


def _count_steps(ax: Any) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ax.set_xlabel("environment steps")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def _returns_axis(ax: Any, comparison: Comparison) -> None:
    """Write the returns of the one task to the right of its scores."""
    zero, one = (in_returns(comparison, comparison.tasks[0], score) for score in (0.0, 1.0))
    if (zero, one) != (0.0, 1.0):
        both_ways = (lambda score: zero + score * (one - zero), lambda value: (value - zero) / (one - zero))
        ax.secondary_yaxis("right", functions=both_ways).set_ylabel("return")
