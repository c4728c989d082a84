"""How figures look: every arm has a colour, a line style and a marker, so that grey prints lose nothing.

matplotlib is imported when the first figure is made: it takes longer than a comparison without figures.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

# The colours of Okabe and Ito, which readers who confuse red and green can tell apart; their yellow is hard to see on
# white.
COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ((), (6, 2), (1.5, 1.5), (6, 2, 1.5, 2), (9, 2, 1.5, 2, 1.5, 2))
MARKERS = "os^Dv*Pp<Xh>"
MARKS_APART = 0.12  # distance of markers on a curve, as a share of the panel's diagonal
OVERLAID = 4  # more curves than that in one panel cannot be told apart
WIDTH = 8.5  # inches, of every figure
LINE, LINES = 32, 4  # a name takes at most so many characters per line, and so many lines
SETTINGS: dict[Any, Any] = {
    "figure.dpi": 150,
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib: a figure looks the same everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 4,
}


class Look(NamedTuple):
    """How the arm with number `order` is drawn."""

    order: int

    @property
    def color(self) -> str:
        """Its colour."""
        return COLOURS[self.order % len(COLOURS)]

    @property
    def marker(self) -> str:
        """Its marker."""
        return MARKERS[self.order % len(MARKERS)]

    @property
    def line(self) -> dict[str, Any]:
        """Keyword arguments of a line without markers."""
        dashes = DASHES[self.order % len(DASHES)]
        return {"color": self.color, "linestyle": (0, dashes) if dashes else "-", "linewidth": 1.5}

    @property
    def curve(self) -> dict[str, Any]:
        """Keyword arguments of a curve with a few markers; they are shifted from arm to arm, so that none is hidden."""
        first = self.order % 4 / 4 * MARKS_APART
        return self.line | {"marker": self.marker, "markersize": 4, "markevery": (first, MARKS_APART)}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save within this context."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # A name in letters that the font lacks is drawn as boxes; that is no reason to be without figures.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def empty_figure(height: float, solved: bool = True) -> Any:
    """A figure of `height` inches; `solved`: matplotlib's solver places what is in it."""
    from matplotlib.figure import Figure  # not pyplot: no window system and no global state

    return Figure(figsize=(WIDTH, height), layout="constrained" if solved else None)


def png(figure: Any) -> bytes:
    """The figure's bytes, the same for the same figure; 128 colours take a third of the bytes of all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image  # comes with matplotlib

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    file = io.BytesIO()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    image = pixels.convert("RGB").quantize(128)
    image.save(file, "png", optimize=True, dpi=(figure.dpi, figure.dpi))
    return file.getvalue()


def label(name: str) -> str:
    """A name as matplotlib takes it: no formula, not hidden from legends, in at most LINES lines."""
    lines = textwrap.wrap(" ".join(name.split()), LINE)
    if len(lines) > LINES:
        last = lines[LINES - 1][: LINE - 2] + " …"
        lines = [*lines[: LINES - 1], last]
    text = "\n".join(lines).replace("$", r"\$")  # $x$ would be set as a formula
    return f" {text}" if text.startswith("_") else text  # matplotlib hides labels that begin with _


def legend_above(owner: Any, ax: Any, names: Sequence[str]) -> Any:
    """A legend over a figure or over its axes, for the first lines drawn into `ax`, one per name."""
    # Names are handed over with their lines: matplotlib would hide a label that begins with an underscore.
    inside = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    place = inside if owner is ax else {"loc": "outside upper left"}
    shown = [label(name) for name in names]
    return owner.legend(ax.get_lines()[: len(names)], shown, ncols=_legend_columns(names), **place)


def legend_height(names: Sequence[str]) -> float:
    """Inches that a legend of these names takes."""
    columns = _legend_columns(names)
    lines = sum(label(name).count("\n") + 1 for name in names)
    rows = -(-lines // columns)  # rounded up
    gaps = len(names) // columns  # between names; of a hundred arms they add up to inches
    return 0.3 + 0.16 * rows + 0.06 * gaps


def _legend_columns(names: Sequence[str]) -> int:
    return 1 if len(names) <= 2 else 2
