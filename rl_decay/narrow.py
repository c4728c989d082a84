"""Tables on a narrow terminal: stacked, so that no name and no number is cut."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

ANY_WIDTH = 10_000  # columns of a terminal on which nothing is cut


def fitted(console: Console, table: Table) -> Table:
    """The table itself if its longest words fit beside each other on the console, else its cells below each other."""
    unbounded = console.options.update_width(ANY_WIDTH)
    if Measurement.get(console, unbounded, table).minimum <= console.width:
        return table
    return _with_headers(table) if table.show_header else _with_labels(table)


def _with_headers(table: Table) -> Table:
    """A line per cell, after the header of its column; a rule between rows."""
    stacked = Table(title=table.title, title_justify="left", show_header=False, box=box.SIMPLE_HEAD)
    stacked.add_column(no_wrap=True)
    stacked.add_column(overflow="fold")
    for cells in zip(*(column.cells for column in table.columns), strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            stacked.add_row(column.header, cell)
        stacked.add_section()
    return stacked


def _with_labels(table: Table) -> Table:
    """A line for the first cell of each row, and the others below it."""
    stacked = Table(title=table.title, title_justify="left", show_header=False, box=box.SIMPLE_HEAD)
    stacked.add_column(overflow="fold")
    for label, *cells in zip(*(column.cells for column in table.columns), strict=True):
        stacked.add_row(label)
        for cell in cells:
            stacked.add_row(Padding(cell, (0, 0, 0, 2)))
    return stacked
