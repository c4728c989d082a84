"""The figures: that they are there, of a size that fits a page, and readable without colours."""

import io
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from rl_decay.compare import command
from rl_decay.compare.analysis import study
from rl_decay.compare.figures import plots
from rl_decay.compare.figures.learning_curves import learning_curves
from rl_decay.compare.figures.style import LINES, Look, label, styled
from rl_decay.compare.model import Arm

NAMES = ["curves", "intervals", "seeds", "profiles"]
KB = 1024


@pytest.fixture
def comparison(tmp_path, make_sweep):
    return command.compare([make_sweep(tmp_path / "sweep")], command.Options())


@pytest.fixture
def compared(comparison):
    """Compare arms of these names, made of the runs of the first arm, each a little lower than the one before."""

    def make(*names, change=lambda run, i: run, seeds=6):
        runs = comparison.arms[0].runs[:seeds]
        arms = [
            Arm(name, tuple(change(replace(run, scores=run.scores - 0.02 * i), i) for run in runs), {})
            for i, name in enumerate(names)
        ]
        return study.compare(arms, names[0])

    return make


def size(png: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(png)).size


def axes(comparison):
    """The axes of the learning curves, and the looks they were drawn with."""
    looks = {arm.name: Look(i) for i, arm in enumerate(comparison.arms)}
    with styled():
        figure = learning_curves(comparison, looks)
        figure.canvas.draw()
    return figure.axes


def test_every_figure_is_a_png_of_150_dpi_and_always_the_same(comparison):
    figures = plots.figures(comparison)
    assert list(figures) == NAMES
    for png in figures.values():
        image = Image.open(io.BytesIO(png))
        assert image.format == "PNG" and image.width == 1275  # 8.5 inches
        assert image.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    assert plots.figures(comparison) == figures


@pytest.mark.thorough
def test_twelve_arms_of_odd_and_long_names_stay_small(compared):
    odd = ["$x$_{", "_hidden", "名前 🙂", "a" * 200, "<b>&amp;", "", r"\frac"]
    long = [f"schedule/actor=linear_warmup schedule/critic=linear actor.lr=0.000{i}" for i in range(5)]
    figures = plots.figures(compared(*odd, *long, seeds=2))
    assert list(figures) == NAMES
    assert all(len(png) < 300 * KB for png in figures.values())


@pytest.mark.thorough
def test_one_seed_a_diverged_run_and_returns(compared):
    lost = lambda run, i: replace(run, status="diverged", steps=run.steps[:3], scores=run.scores[:3]) if i else run  # noqa: E731
    returns = lambda run, i: replace(run, unit="return", task="Unknown-v0", scores=200 * run.scores - 100)  # noqa: E731
    for comparison in (
        compared("none", seeds=1),
        compared("none", "linear", change=lost),
        compared("none", "linear", change=returns),
    ):
        assert list(plots.figures(comparison)) == NAMES


def test_a_metric_without_numbers_gets_no_panel(compared):
    foreign = compared(
        "none", "linear", change=lambda run, i: replace(run, metrics={**run.metrics, "osc_late": np.nan})
    )
    whole = compared("none", "linear")
    with styled():
        looks = {"none": Look(0), "linear": Look(1)}
        assert [ax.get_title() for ax in plots.intervals(foreign, looks).axes] == ["final score", "retention"]
        assert len(plots.intervals(whole, looks).axes) == 3


def test_scores_and_both_rates_share_the_env_steps(comparison):
    top, actor, critic, *_ = axes(comparison)
    assert (top.get_ylabel(), actor.get_ylabel(), critic.get_ylabel()) == (
        "evaluation score",
        "actor\nrate",
        "critic\nrate",
    )
    assert top.get_xlim() == actor.get_xlim() == critic.get_xlim()
    linear, none = comparison.arms
    assert (linear.name, none.name) == ("schedule=linear", "schedule=none")
    drawn = {line.get_color(): line.get_ydata() for line in actor.get_lines()}
    np.testing.assert_array_equal(drawn[Look(1).color], none.runs[0].rates["actor"][1])


@pytest.mark.thorough
def test_many_arms_get_a_panel_each_with_the_baseline(compared):
    few, many = compared(*"abcd"), compared(*"abcde")
    assert len([ax for ax in axes(few) if ax.get_legend()]) == 1
    panels = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in axes(many) if ax.get_legend()]
    assert panels == [["a", "b"], ["a", "c"], ["a", "d"], ["a", "e"]]


def test_tasks_get_panels_of_their_own(compared):
    arms = [
        replace(arm, runs=arm.runs + tuple(replace(run, task="Acrobot-v1") for run in arm.runs))
        for arm in compared("none", "linear").arms
    ]
    both = study.compare(arms, "none")
    titles = [ax.get_legend().get_title().get_text() for ax in axes(both) if ax.get_legend()]
    assert titles == ["Acrobot-v1", "CartPole-v1"]
    assert list(plots.figures(both)) == NAMES


def test_twelve_arms_differ_without_their_colours():
    looks = [Look(i) for i in range(12)]
    assert len({look.marker for look in looks}) == 12
    assert len({(look.color, str(look.line["linestyle"])) for look in looks}) == 12


def test_colours_are_darker_than_the_paper():
    for i in range(7):
        red, green, blue = (int(Look(i).color[k : k + 2], 16) / 255 for k in (1, 3, 5))
        assert 0.299 * red + 0.587 * green + 0.114 * blue < 0.7


def test_long_names_are_cut():
    shown = label(" ".join(["schedule/actor=linear_warmup"] * 9))
    assert shown.count("\n") == LINES - 1 and shown.endswith("…")


def test_matplotlib_is_imported_by_the_first_figure_alone():
    code = """
import sys
import rl_decay.compare.report.write, rl_decay.compare.report.tensorboard
print({"matplotlib", "PIL", "torch", "hydra"} & sys.modules.keys())
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


def test_no_window_system_is_asked(comparison, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert list(plots.figures(comparison)) == NAMES


@pytest.mark.thorough
def test_a_hundred_arms_fit_without_a_warning_in_a_time_that_grows_with_their_number(compared):
    # pytest makes matplotlib's warning about collapsed axes an error
    begun = time.process_time()
    plots.figures(compared(*[f"actor.lr={i}" for i in range(25)], seeds=2))
    quarter = time.process_time() - begun
    begun = time.process_time()
    figures = plots.figures(compared(*[f"actor.lr={i}" for i in range(100)], seeds=2))
    assert time.process_time() - begun < 8 * quarter  # with matplotlib's solver for all panels: 16 times and more
    assert list(figures) == NAMES


@pytest.mark.thorough
def test_panels_that_are_placed_by_arithmetic_stay_on_the_page(compared):
    every_axes = axes(compared(*[f"schedule=linear actor.lr={i}" for i in range(20)], seeds=2))
    assert len(every_axes) == 3 * 19
    page = every_axes[0].get_figure(root=True)
    renderer = FigureCanvasAgg(page).get_renderer()  # one for all: of a page so long each takes 100 MB
    for ax in every_axes:
        box = ax.get_tightbbox(renderer)
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= page.bbox.x1 + 1 and box.y1 <= page.bbox.y1
