"""The figures of a comparison, as PNG files in memory; they need matplotlib (extra `report`)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from rl_decay.compare.analysis.alignment import baseline_first
from rl_decay.compare.analysis.statistics import OSC_FLOOR, performance_profile, shares_above
from rl_decay.compare.figures.learning_curves import learning_curves
from rl_decay.compare.figures.style import OVERLAID, Look, empty_figure, label, legend_above, legend_height, png, styled
from rl_decay.compare.model import Arm, Comparison
from rl_decay.runs.layout import DIVERGED

NARROWEST = 0.1  # score: the shortest range that an axis may show
TICK_POWERS = range(-4, 5)  # powers of ten on the axis of oscillation
Looks = dict[str, Look]


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def figures(comparison: Comparison) -> dict[str, bytes]:
    """All figures as {name: PNG}: curves, intervals, seeds, profiles. ImportError without matplotlib.

    A metric without a single number gets no panel, a figure without a panel is left out.
    """
    looks = {arm.name: Look(i) for i, arm in enumerate(baseline_first(comparison))}
    pngs = {}
    with styled():
        for name, draw in DRAWINGS.items():
            figure = draw(comparison, looks)
            if figure is not None:
                pngs[name] = png(figure)
    return pngs


def intervals(comparison: Comparison, looks: Looks) -> Any:
    """Interquartile mean and 95 % interval of every arm, one panel per metric."""
    figure, panels = _rows_of_arms(comparison)
    for metric, ax in panels.items():
        for row, arm in enumerate(baseline_first(comparison)):
            estimate = comparison.estimates[arm.name].get(metric)
            if estimate is None:
                continue
            look = looks[arm.name]
            ax.plot([estimate.low, estimate.high], [row, row], color=look.color, marker="|", markersize=8)
            ax.plot(estimate.value, row, color=look.color, marker=look.marker, markersize=6)
            if row == 0:  # the baseline, as a line to compare the others with
                ax.axvline(estimate.value, color="#777777", linewidth=0.8, dashes=(4, 3), zorder=0.5)
        _set_scale(ax, metric, comparison.unit)
    return figure


def seeds(comparison: Comparison, looks: Looks) -> Any:
    """Every run as a dot, and the interquartile mean as a bar; one panel per metric.

    A diverged run is a cross at the bad end of the axis, which otherwise spans the runs that finished: to scale, one
    run without a score would push all others together.
    """
    figure, panels = _rows_of_arms(comparison)
    for metric, ax in panels.items():
        for row, arm in enumerate(baseline_first(comparison)):
            look = looks[arm.name]
            _draw_runs(ax, arm, metric, row, look)
            estimate = comparison.estimates[arm.name].get(metric)
            if estimate is not None:
                ax.vlines(estimate.value, row - 0.38, row + 0.38, color=look.color, linewidth=1.5)
        _set_scale(ax, metric, comparison.unit)
    return figure


def profiles(comparison: Comparison, looks: Looks) -> Any:
    """Share of an arm's runs whose final score, and whose late oscillation, is above a level."""
    titles = _titles(comparison)
    titles.pop("retention", None)  # profiles are for the two endpoints
    if not titles:
        return None
    figure = empty_figure(3.0 + legend_height(list(looks)))
    axes = figure.subplots(1, len(titles), squeeze=False, sharey=True)[0]
    for (metric, title), ax in zip(titles.items(), axes, strict=True):
        _draw_profiles(ax, comparison, metric, looks)
        ax.set_xlabel(f"{title} x  ({'left' if metric == 'osc_late' else 'right'} is better)")
    axes[0].set_ylabel("share of runs above x")
    axes[0].set_ylim(-0.03, 1.03)
    legend_above(figure, axes[0], list(looks))
    return figure


def _draw_runs(ax: Any, arm: Arm, metric: str, row: int, look: Look) -> None:
    """The runs of an arm around its row, each at a height of its own, so that equal values stay apart."""
    places = np.linspace(-0.3, 0.3, len(arm.runs) + 2)  # the outermost two stay free
    heights = row + places[1:-1]
    diverged = np.array([run.status == DIVERGED for run in arm.runs], dtype=bool)
    dots = _values(arm, metric)[~diverged]
    ax.plot(dots, heights[~diverged], look.marker, color=look.color, markersize=4, alpha=0.7)
    if diverged.any():
        # In the y-axis transform x runs from 0 to 1 over the panel: the cross does not stretch the axis.
        edge = np.full(diverged.sum(), 1.0 if metric == "osc_late" else 0.0)
        cross = {"marker": "x", "linestyle": "", "markersize": 6, "clip_on": False}
        ax.plot(edge, heights[diverged], color=look.color, transform=ax.get_yaxis_transform(), **cross)


def _draw_profiles(ax: Any, comparison: Comparison, metric: str, looks: Looks) -> None:
    values = {arm.name: _values(arm, metric) for arm in baseline_first(comparison)}
    to_axis, from_axis = _scale(metric)
    on_axis = to_axis(np.concatenate(list(values.values())))
    low = np.nanmin(on_axis)
    high = np.nanmax(on_axis)
    margin = 0.05 * (high - low) or 0.05
    levels = from_axis(np.linspace(low - margin, high + margin, 400))
    for name, own in values.items():
        if len(values) > OVERLAID:  # more bands than that cannot be told apart
            ax.plot(levels, shares_above(own, levels).mean(axis=0), **looks[name].curve)
        else:
            share, below, above = performance_profile([own], levels, np.random.default_rng(0))
            ax.plot(levels, share, **looks[name].curve)
            ax.fill_between(levels, below, above, color=looks[name].color, alpha=0.12, linewidth=0)
    _set_scale(ax, metric, comparison.unit)


def _titles(comparison: Comparison) -> dict[str, str]:
    """The metrics that are drawn, without those that no run has: {metric: title}."""
    titles = {"final": f"final {comparison.unit}", "osc_late": "late oscillation", "retention": "retention"}
    for metric in tuple(titles):
        if not any(np.isfinite(_values(arm, metric)).any() for arm in comparison.arms):
            del titles[metric]
    return titles


def _values(arm: Arm, metric: str) -> np.ndarray:
    return np.array([run.metrics.get(metric, np.nan) for run in arm.runs])


def _rows_of_arms(comparison: Comparison) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel per metric and a row per arm, the baseline on top: the figure, {metric: axes}.

    None and {} if no metric has a number.
    """
    titles = _titles(comparison)
    if not titles:
        return None, {}
    names = [label(arm.name) for arm in baseline_first(comparison)]
    row_heights = [max(0.4, 0.18 * (1 + name.count("\n"))) for name in names]
    figure = empty_figure(1.0 + sum(row_heights))
    axes = figure.subplots(1, len(titles), squeeze=False, sharey=True)[0]
    for title, ax in zip(titles.values(), axes, strict=True):
        ax.set_title(title, fontsize="medium")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
    return figure, dict(zip(titles, axes, strict=True))


def _scale(metric: str) -> tuple[Any, Any]:
    """Two functions, onto a metric's axis and back. Oscillation is drawn as it is compared: by its logarithm."""
    return (_log_osc, _osc) if metric == "osc_late" else (np.positive, np.positive)


def _log_osc(x: Any) -> Any:
    # OSC_FLOOR gives 0 a place; matplotlib also asks for the place of negative numbers, which no run has.
    return np.log(np.maximum(np.asarray(x) + OSC_FLOOR, 0.1 * OSC_FLOOR))


def _osc(x: Any) -> Any:
    return np.exp(x) - OSC_FLOOR


def _set_scale(ax: Any, metric: str, unit: str) -> None:
    """Set the range and the ticks of the x axis; call it after drawing, since it reads the range of the data."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    if metric == "osc_late":
        ax.set_xscale("function", functions=_scale(metric))
        ax.xaxis.set_major_locator(FixedLocator(_osc_ticks(*ax.get_xlim())))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        return
    low, high = ax.get_xlim()
    # Do not zoom in further: noise would look like an effect.
    if high - low < NARROWEST and (metric == "retention" or unit == "score"):
        ax.set_xlim(high - NARROWEST, high + NARROWEST / 20)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def _osc_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two oscillations, at least a fifth of the axis apart; the roundest come first."""
    numbers = [0.0]
    for digit in (1, 3, 2, 5):
        numbers += [digit * 10.0**power for power in TICK_POWERS]
    apart = (_log_osc(high) - _log_osc(low)) / 5
    ticks: list[float] = []
    for number in numbers:
        has_room = all(abs(_log_osc(number) - _log_osc(tick)) > apart for tick in ticks)
        if low <= number <= high and has_room:
            ticks.append(number)
    return sorted(ticks)


DRAWINGS = {"curves": learning_curves, "intervals": intervals, "seeds": seeds, "profiles": profiles}
