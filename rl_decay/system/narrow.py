"""Tables on a narrow terminal: the cells of a row below each other, so that no name and no number is cut."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table


def fitted(console: Console, table: Table) -> Table:
    """The table itself if the console has room for all its words, else its cells below each other."""
    # rich cuts or folds words silently, so render the table and look whether every word is still there.
    rendered = "".join(segment.text for segment in console.render(table))
    if _words(console, table) <= set(rendered.split()):
        return table
    return _with_headers(table) if table.show_header else _with_labels(table)


def _words(console: Console, table: Table) -> set[str]:
    """The words of all headers and cells."""
    words: set[str] = set()
    for column in table.columns:
        for cell in (column.header, *column.cells):
            text = console.render_str(cell) if isinstance(cell, str) else cell  # a str may hold markup
            words |= set(str(text).split())
    return words


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
