"""Draws docs/growth.png from benchmarks/results/growth.json: python docs/growth.py"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parent
MEASURED = json.loads((DOCS.parent / "benchmarks" / "results" / "growth.json").read_text())
EPOCHS, INPUTS, OUTPUTS = 4, 4, 4  # of the benchmark's setting; CartPole's two actions are padded to 4
PASSES = (
    3 * EPOCHS + 2
)  # forward, and twice that backward, in every epoch; values and log-probabilities, before and after


def limit(width: int) -> float:
    """Environment steps per second if nothing but the networks' multiplications took time."""
    multiplications = INPUTS * width + width * width + width * OUTPUTS
    networks, operations = 2, 2  # actor and critic; a multiplication and an addition
    return MEASURED["multiplications"] / (PASSES * networks * operations * multiplications)


def draw() -> None:
    """Both curves, each with its limit."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    members = {int(count): rate for count, rate in MEASURED["members"].items()}
    left.plot(list(members), list(members.values()), "o-")
    left.axhline(limit(64), ls="--", color="grey", label="arithmetic limit")
    left.set(xlabel="runs trained together (64 units)", ylabel="environment steps per second")
    widths = {int(width): rate for width, rate in MEASURED["widths of 4 members"].items()}
    right.plot(list(widths), list(widths.values()), "o-")
    right.plot(list(widths), [limit(width) for width in widths], "--", color="grey")
    right.set(xlabel="units of a layer (4 runs together)")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
        measured = axes.lines[0].get_xdata()
        axes.set_xticks(measured, [f"{x:g}" for x in measured], minor=False)
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    left.legend()
    figure.savefig(DOCS / "growth.png", dpi=110)


if __name__ == "__main__":
    draw()
