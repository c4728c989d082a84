"""The figures of a comparison, as PNG files in memory; they need matplotlib (extra `report`)."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from rl_decay.compare.analysis.alignment import baseline_first
from rl_decay.compare.analysis.statistics import OSC_FLOOR, performance_profile
from rl_decay.compare.figures.learning_curves import learning_curves
from rl_decay.compare.figures.style import OVERLAID, Look, empty_figure, label, legend_above, legend_height, png, styled
from rl_decay.compare.model import Arm, Comparison
from rl_decay.runs.layout import DIVERGED

NARROWEST = 0.1  # score: what an axis spans at least
Looks = dict[str, Look]


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def figures(comparison: Comparison) -> dict[str, bytes]:
    """All figures as {name: PNG}: curves, intervals, seeds, profiles. ImportError without matplotlib.

    A metric without a single number gets no panel, a figure without a panel is left out.
    """
    looks = {arm.name: Look(i) for i, arm in enumerate(baseline_first(comparison))}
    with styled():
        drawn = {name: draw(comparison, looks) for name, draw in DRAWINGS.items()}
        return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def intervals(comparison: Comparison, looks: Looks) -> Any:
    """Interquartile mean and 95 % interval of every arm, one panel per metric."""
    figure, panels = _rows_of_arms(comparison)
    for metric, ax in panels.items():
        for row, arm in enumerate(baseline_first(comparison)):
            estimate, look = comparison.estimates[arm.name].get(metric), looks[arm.name]
            if estimate is None:
                continue
            ax.plot([estimate.low, estimate.high], [row, row], color=look.color, marker="|", markersize=8)
            ax.plot(estimate.value, row, color=look.color, marker=look.marker, markersize=6)
            if row == 0:
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
            look, estimate = looks[arm.name], comparison.estimates[arm.name].get(metric)
            places = row + np.linspace(-0.3, 0.3, len(arm.runs) + 2)[1:-1]
            lost = np.array([run.status == DIVERGED for run in arm.runs], dtype=bool)
            ax.plot(_values(arm, metric)[~lost], places[~lost], look.marker, color=look.color, markersize=4, alpha=0.7)
            if lost.any():
                edge = np.full(lost.sum(), 1.0 if metric == "osc_late" else 0.0)
                cross = {"marker": "x", "linestyle": "", "markersize": 6, "clip_on": False}
                ax.plot(edge, places[lost], color=look.color, transform=ax.get_yaxis_transform(), **cross)
            if estimate is not None:
                ax.vlines(estimate.value, row - 0.38, row + 0.38, color=look.color, linewidth=1.5)
        _set_scale(ax, metric, comparison.unit)
    return figure


def profiles(comparison: Comparison, looks: Looks) -> Any:
    """Share of an arm's runs whose final score, and whose late oscillation, is above a level."""
    titles = {m: title for m, title in _titles(comparison).items() if m in ("final", "osc_late")}
    if not titles:
        return None
    figure = empty_figure(3.0 + legend_height(list(looks)))
    axes = figure.subplots(1, len(titles), squeeze=False, sharey=True)[0]
    for (metric, title), ax in zip(titles.items(), axes, strict=True):
        _profile(ax, comparison, metric, looks)
        ax.set_xlabel(f"{title} x  ({'left' if metric == 'osc_late' else 'right'} is better)")
    axes[0].set_ylabel("share of runs above x")
    axes[0].set_ylim(-0.03, 1.03)
    legend_above(figure, axes[0], list(looks))
    return figure


def _profile(ax: Any, comparison: Comparison, metric: str, looks: Looks) -> None:
    values = {arm.name: _values(arm, metric) for arm in baseline_first(comparison)}
    to_axis, from_axis = _scale(metric)
    everything = to_axis(np.concatenate(list(values.values())))
    low, high = np.nanmin(everything), np.nanmax(everything)
    margin = 0.05 * (high - low) or 0.05
    levels = from_axis(np.linspace(low - margin, high + margin, 400))
    for name, own in values.items():
        share, below, above = performance_profile([own], levels, np.random.default_rng(0))
        ax.plot(levels, share, **looks[name].curve)
        if len(values) <= OVERLAID:
            ax.fill_between(levels, below, above, color=looks[name].color, alpha=0.12, linewidth=0)
    _set_scale(ax, metric, comparison.unit)


def _titles(comparison: Comparison) -> dict[str, str]:
    """The metrics that are drawn, those without a number left out: {metric: title}."""
    names = {"final": f"final {comparison.unit}", "osc_late": "late oscillation", "retention": "retention"}
    found = {m for m in names for arm in comparison.arms if np.isfinite(_values(arm, m)).any()}
    return {metric: title for metric, title in names.items() if metric in found}


def _values(arm: Arm, metric: str) -> np.ndarray:
    return np.array([run.metrics.get(metric, np.nan) for run in arm.runs])


def _rows_of_arms(comparison: Comparison) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel per metric and a row per arm, the baseline on top; None where nothing was measured."""
    titles, names = _titles(comparison), [label(arm.name) for arm in baseline_first(comparison)]
    if not titles:
        return None, {}
    figure = empty_figure(1.0 + sum(max(0.4, 0.18 * (1 + name.count("\n"))) for name in names))
    axes = figure.subplots(1, len(titles), squeeze=False, sharey=True)[0]
    for title, ax in zip(titles.values(), axes, strict=True):
        ax.set_title(title, fontsize="medium")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.5, -0.5)
    return figure, dict(zip(titles, axes, strict=True))


def _scale(metric: str) -> tuple[Any, Any]:
    """Onto a metric's axis and back: oscillation as it is compared, equal factors equally long, with a place for 0."""
    return (_log_osc, _osc) if metric == "osc_late" else (np.positive, np.positive)


def _log_osc(x: Any) -> Any:
    return np.log(np.maximum(np.asarray(x) + OSC_FLOOR, 0.1 * OSC_FLOOR))  # an axis asks for values that no run has


def _osc(x: Any) -> Any:
    return np.exp(x) - OSC_FLOOR


def _set_scale(ax: Any, metric: str, unit: str) -> None:
    """Scale the x axis of what has been drawn."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    if metric == "osc_late":
        ax.set_xscale("function", functions=_scale(metric))
        ax.xaxis.set_major_locator(FixedLocator(_osc_ticks(*ax.get_xlim())))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        return
    low, high = ax.get_xlim()
    if high - low < NARROWEST and (metric == "retention" or unit == "score"):  # what is nothing should look like it
        ax.set_xlim(high - NARROWEST, high + NARROWEST / 20)
    ax.xaxis.set_major_locator(MaxNLocator(4))


def _osc_ticks(low: float, high: float) -> list[float]:
    """Round numbers between two oscillations, not too close to each other on their axis; the roundest come first."""
    numbers = [0.0, *(digit * 10.0**e for digit in (1, 3, 2, 5) for e in range(-4, 5))]
    apart = (_log_osc(high) - _log_osc(low)) / 5
    ticks: list[float] = []
    for number in numbers:
        if low <= number <= high and all(abs(_log_osc(number) - _log_osc(tick)) > apart for tick in ticks):
            ticks.append(number)
    return sorted(ticks)


DRAWINGS = {"curves": learning_curves, "intervals": intervals, "seeds": seeds, "profiles": profiles}
