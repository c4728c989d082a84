"""The figure of the learning curves: scores, and beneath them the rates of actor and critic over the same env steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rl_decay.compare.analysis import study
from rl_decay.compare.analysis.alignment import baseline_first, curve_kind, in_returns, rate_curve
from rl_decay.compare.figures.style import OVERLAID, Look, empty_figure, label, legend_above, legend_height
from rl_decay.compare.model import Arm, Comparison
from rl_decay.types import GROUPS

COLUMNS = 2
LARGE, SMALL = 5.0, 3.0  # height of a panel in inches, its legend aside
# More panels than this are placed by arithmetic: the time of matplotlib's solver grows with the square of their number.
SOLVED = 16
LEFT, RIGHT, BOTTOM = 1.05, 0.15, 0.5  # inches beside and below the axes of a panel that is placed so


def learning_curves(comparison: Comparison, looks: dict[str, Look]) -> Any:
    """Mean and 95 % band per arm; all arms in one panel, or, where they are many, each in its own with the baseline.

    Several tasks get panels of their own.
    """
    panels = _panels(comparison)
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)  # rounded up
    legends = [legend_height([arm.name for arm in arms]) for _, arms in panels]
    height = max(legends) + (LARGE if columns == 1 else SMALL)
    figure = empty_figure(rows * height, solved=len(panels) <= SOLVED)
    places = figure.subfigures(rows, columns, squeeze=False).flat
    score_axes = []
    for place, (task, arms) in zip(places, panels, strict=False):  # the last place may stay empty
        score_axes.append(_draw_panel(place, comparison, task, arms, looks))
    if len(panels) == 1:
        _add_returns_axis(score_axes[0], comparison)
    # One range for all panels: side by side, equal heights must mean equal scores.
    limits = np.array([ax.get_ylim() for ax in score_axes])
    for ax in score_axes:
        ax.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    return figure


def _panels(comparison: Comparison) -> list[tuple[str, tuple[Arm, ...]]]:
    """Task and arms of each panel."""
    baseline, *others = baseline_first(comparison)
    panels: list[tuple[str, tuple[Arm, ...]]] = []
    for task in comparison.tasks:
        if len(comparison.arms) <= OVERLAID:
            panels.append((task, (baseline, *others)))
        else:
            panels += [(task, (baseline, arm)) for arm in others]
    return panels


def _draw_panel(place: Any, comparison: Comparison, task: str, arms: Sequence[Arm], looks: dict[str, Look]) -> Any:
    """Draw one task of some arms into a subfigure; returns the axes of the scores."""
    names = [arm.name for arm in arms]
    top, *rate_axes = place.subplots(3, 1, sharex=True, height_ratios=[3, 1, 1], gridspec_kw=_margins(place, names))
    for arm in arms:
        here = replace(arm, runs=tuple(run for run in arm.runs if run.task == task))
        look = looks[arm.name]
        _draw_scores(top, comparison, here, look)
        for group, ax in zip(GROUPS, rate_axes, strict=True):
            steps, rates = rate_curve(here.runs, group)
            if len(steps):
                ax.plot(steps, rates, **look.curve)
    top.set_ylabel(f"{curve_kind(comparison)} {comparison.unit}")
    for group, ax in zip(GROUPS, rate_axes, strict=True):
        _scale_rates(ax, group)
    _count_steps(rate_axes[-1])
    legend = legend_above(top, top, names)
    if len(comparison.tasks) > 1:
        legend.set_title(label(task))
    return top


def _margins(place: Any, names: Sequence[str]) -> dict[str, float]:
    """The edges of a panel's axes as shares of its size; {} if matplotlib's solver places them."""
    if place.figure.get_layout_engine() is not None:
        return {}
    width, height = place.bbox.width / place.figure.dpi, place.bbox.height / place.figure.dpi
    return {
        "left": LEFT / width,
        "right": 1 - RIGHT / width,
        "bottom": BOTTOM / height,
        "top": 1 - legend_height(names) / height,
        "hspace": 0.2,
    }


def _draw_scores(ax: Any, comparison: Comparison, arm: Arm, look: Look) -> None:
    if len(comparison.tasks) == 1:
        steps, mean, low, high = comparison.curves[arm.name]
    elif arm.runs:  # the comparison's own curves are means over all tasks
        steps, mean, low, high = study.curve(arm)
    else:
        # Plot an empty line for an arm without runs on this task: the legend pairs lines with arms by their order.
        steps = mean = low = high = np.empty(0)
    ax.plot(steps, mean, **look.curve)
    ax.fill_between(steps, low, high, color=look.color, alpha=0.15, linewidth=0)


def _scale_rates(ax: Any, group: str) -> None:
    peaks = [float(np.nanmax(line.get_ydata())) for line in ax.get_lines()]
    highest = max(peaks, default=0.0) or 1.0  # an axis from 0 to 0 has no length
    ax.set_ylim(0, 1.15 * highest)
    ax.set_yticks([0, highest], ["0", f"{highest:.2g}"])
    ax.set_ylabel(f"{group}\nrate")


def _count_steps(ax: Any) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ax.set_xlabel("environment steps")
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def _add_returns_axis(ax: Any, comparison: Comparison) -> None:
    """Write the returns of the one task to the right of its scores."""
    task = comparison.tasks[0]
    zero = in_returns(comparison, task, 0.0)
    one = in_returns(comparison, task, 1.0)
    if (zero, one) == (0.0, 1.0):  # the scores are returns already
        return

    def to_return(score: Any) -> Any:
        return zero + score * (one - zero)

    def to_score(value: Any) -> Any:
        return (value - zero) / (one - zero)

    ax.secondary_yaxis("right", functions=(to_return, to_score)).set_ylabel("return")
