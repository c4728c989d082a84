"""The report of a comparison: one HTML file, the same as Markdown with pictures, and every number as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rl_decay.compare.figures import plots
from rl_decay.compare.model import Comparison
from rl_decay.compare.report import contents
from rl_decay.compare.report.csv_files import arms_csv, contrasts_csv, runs_csv
from rl_decay.compare.report.document import to_html, to_markdown
from rl_decay.runs.durable import write_atomically

PAGE, TEXT = "index.html", "report.md"
INSTALL = "pip install -c constraints.txt -e '.[report]'"


def write(comparison: Comparison, folder: str | Path, figures: Mapping[str, bytes] | None) -> list[Path]:
    """Write the report into a folder, made if it is missing, and return its files, the one to open first in front.

        index.html                                  the report, complete in this one file
        report.md, curves.png, ...                  the same
        runs.csv, arms.csv, contrasts.csv           every run and metric, every estimate, every difference

    `figures` is None without matplotlib: then there are neither pictures nor HTML, and report.md says which command
    brings them. Each file is replaced as a whole; pictures and HTML of an earlier report are removed if this one has
    none. Errors: OSError for a folder that cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = _files(comparison, figures)
    for name, data in files.items():
        write_atomically(folder / name, data)
    # An old picture beside a new text would show other numbers than the text.
    optional = {PAGE, *map(_png_name, plots.DRAWINGS)}
    for name in optional - files.keys():
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in files]


def _files(comparison: Comparison, figures: Mapping[str, bytes] | None) -> dict[str, bytes]:
    title = contents.title(comparison)
    texts = {}
    if figures is None:
        blocks = contents.blocks(comparison, {}, INSTALL)
    else:
        blocks = contents.blocks(comparison, figures, None)
        texts[PAGE] = to_html(title, blocks)
    texts[TEXT] = to_markdown(title, blocks)
    texts["runs.csv"] = runs_csv(comparison)
    texts["arms.csv"] = arms_csv(comparison)
    texts["contrasts.csv"] = contrasts_csv(comparison)
    files = {name: text.encode() for name, text in texts.items()}
    for name, png in (figures or {}).items():
        files[_png_name(name)] = png
    return files


def _png_name(figure: str) -> str:
    return f"{figure}.png"
