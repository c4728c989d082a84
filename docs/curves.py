"""Draw docs/curves.png: learning rates of the README's schedule table over a run of 100 iterations."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from rl_decay.schedules import linear, linear_warmup, none, progress

T = 100
CURVES = {
    "schedule=none": (none(), "-", "#000000"),
    "schedule=linear": (linear(), "--", "#0072B2"),
    "schedule=linear schedule.final=0.1": (linear(final=0.1), "-.", "#56B4E9"),
    "schedule=linear_warmup schedule.warmup=0.3": (linear_warmup(warmup=0.3), "-", "#D55E00"),
    "schedule=linear_warmup schedule.warmup=0.3 schedule.start=0.1": (
        linear_warmup(warmup=0.3, start=0.1),
        ":",
        "#009E73",
    ),
}


def main() -> None:
    """Draw the picture."""
    figure, axes = plt.subplots(figsize=(7.2, 3.4), layout="constrained")
    for label, (curve, style, colour) in CURVES.items():
        rates = [curve(progress(t, T)) for t in range(T)]
        axes.plot(rates, style, color=colour, label=label, linewidth=1.8)
    axes.set(xlabel="iteration t of T = 100", ylabel="learning rate / lr", ylim=(-0.03, 1.08), xlim=(0, T))
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", fontsize=8, ncols=1, frameon=False)
    figure.set_size_inches(7.2, 5.0)
    figure.savefig(Path(__file__).with_name("curves.png"), dpi=110)


if __name__ == "__main__":
    main()
