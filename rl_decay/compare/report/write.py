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


def write(comparison: Comparison, folder: str | Path, figures: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write the report into a folder, made if it is missing, and return its files, the one to open first in front.

        index.html                                  the report, complete in this one file
        report.md, curves.png, ...                  the same
        runs.csv, arms.csv, contrasts.csv           every run and metric, every estimate, every difference

    `figures` are drawn unless given. Without matplotlib there are neither pictures nor HTML, and report.md says which
    command brings them. Each file is replaced as a whole; what an earlier report left and this one has not is removed.
    Errors: OSError for a folder that cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if figures is None and plots.available():
        figures = plots.figures(comparison)
    files = _files(comparison, figures)
    for name, data in files.items():
        write_atomically(folder / name, data)
    for name in {PAGE, *(f"{figure}.png" for figure in plots.DRAWINGS)} - files.keys():
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in files]


def _files(comparison: Comparison, figures: Mapping[str, bytes] | None) -> dict[str, bytes]:
    title = contents.title(comparison)
    blocks = contents.blocks(comparison, figures or {}, None if figures is not None else INSTALL)
    files = {TEXT: to_markdown(title, blocks)}
    if figures is not None:
        files = {PAGE: to_html(title, blocks)} | files
    files |= {
        "runs.csv": runs_csv(comparison),
        "arms.csv": arms_csv(comparison),
        "contrasts.csv": contrasts_csv(comparison),
    }
    return {name: text.encode() for name, text in files.items()} | {
        f"{n}.png": png for n, png in (figures or {}).items()
    }
