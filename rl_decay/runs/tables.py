"""CSV tables of numbers, appended in batches and read back as NumPy columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_decay.errors import UserError, one_line
from rl_decay.runs import files
from rl_decay.runs.durable import GrowingFile

MAX_TABLE_BYTES = 2**31  # a million iterations take a quarter of it


class CsvTable:
    """A CSV file that grows by rows: they wait in memory, and no file is open, until `flush`.

    An existing file is continued. It must have the same columns and end with a complete row (UserError): after a crash,
    cut it back first (`durable.truncate_synced`).
    """

    def __init__(self, path: str | Path, columns: Sequence[str]):
        self.path = Path(path)
        self.columns = tuple(columns)
        self._column_set = frozenset(columns)
        if len(self._column_set) < len(self.columns) or any(set(name) & set(',"\r\n') for name in columns):
            raise ValueError(f"column names must be unique and free of commas, quotes and line ends: {self.columns}")
        header = ",".join(self.columns) + "\n"
        self._file = GrowingFile(self.path, _length_to_continue(self.path, header.encode()))
        self._lines = [] if self._file.length else [header]

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row, {column: number}; a missing column, None or NaN becomes an empty cell.

        KeyError for an unknown column, TypeError for a value that is no number.
        """
        unknown = row.keys() - self._column_set
        if unknown:
            raise KeyError(f"{self.path.name} has no column {', '.join(sorted(unknown))}")
        self._lines.append(",".join([_cell(row.get(name)) for name in self.columns]) + "\n")

    def flush(self, force: bool = True) -> int:
        """Write the waiting rows and return the file's length in bytes; `force`: force them to the disk.

        If that fails (OSError), the file is as it was, the rows keep waiting, and flush may be called again.
        FileChangedError where the file has not the length that the last flush left.
        """
        # The rows are dropped only after the write, so that a failed flush can be repeated.
        length = self._file.append("".join(self._lines).encode(), force)
        self._lines.clear()
        return length


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table as {column: float64 [rows]}, NaN for an empty cell; {} before the header has been written.

    A last line without its line end is ignored: its writer is still writing, or was killed. UserError where another
    line is not a row of numbers.
    """
    try:
        lines = _lines(files.read(Path(path), MAX_TABLE_BYTES))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged ({error})") from None
    if not lines:
        return {}
    columns = lines[0].split(",")
    values = np.empty((len(columns), len(lines) - 1))
    for i, line in enumerate(lines[1:]):
        try:
            cells = line.split(",")
            if len(cells) != len(columns):  # NumPy would broadcast a single cell to all columns
                raise ValueError
            values[:, i] = [float(cell or "nan") for cell in cells]
        except ValueError:
            raise UserError(f"{path}: line {i + 2} is not a row of {len(columns)} numbers: {line[:80]!r}") from None
    return dict(zip(columns, values, strict=True))


def columns(path: Path, names: Sequence[str], length: int = MAX_TABLE_BYTES) -> dict[str, np.ndarray]:
    """Read these columns of a table as {column: float64 [rows]}, NaN for an empty cell, the others unread.

    Only the first `length` bytes are read. A last line without its line end is ignored. Errors: UserError, which names
    the file, if it is missing, lacks a column or has a line that is no row of numbers.
    """
    try:
        first_line, *lines = _lines(files.read(path, MAX_TABLE_BYTES)[:length]) or [""]
        header = first_line.split(",")
        for name in names:
            if name not in header:
                raise UserError(f"{path}: damaged (it has no column {name})")
        rows = []
        for line in lines:
            row = line.split(",")
            if len(row) == len(header):
                rows.append(row)
        table: dict[str, np.ndarray] = {}
        for name in names:
            position = header.index(name)
            cells = [row[position] or "nan" for row in rows]
            table[name] = np.array(cells, dtype=np.float64)  # ValueError for a cell that is no number
    except ValueError as error:  # also UnicodeDecodeError
        raise UserError(f"{path}: damaged ({one_line(error)})") from None
    if len(rows) != len(lines):
        raise UserError(f"{path}: damaged (a line has not {len(header)} cells)")
    return table


def evaluation_returns(path: Path, length: int = MAX_TABLE_BYTES) -> tuple[np.ndarray, np.ndarray]:
    """Env steps [K] and mean returns [K] in the first `length` bytes of evaluations.csv.

    Errors as `columns`, and UserError unless all are finite numbers and the steps increase.
    """
    table = columns(path, ("env_steps", "return_mean"), length)
    steps, returns = table["env_steps"], table["return_mean"]
    all_finite = np.isfinite(steps).all() and np.isfinite(returns).all()
    if not (all_finite and (np.diff(steps) > 0).all()):
        raise UserError(f"{path}: damaged (an empty cell, or env_steps that do not increase)")
    return steps, returns


def _lines(data: bytes) -> list[str]:
    """The complete lines of a table, without a last line that still lacks its line end; UnicodeDecodeError."""
    return data[: data.rfind(b"\n") + 1].decode().split("\n")[:-1]


def _length_to_continue(path: Path, header: bytes) -> int:
    """The length of the file, 0 if it is missing; UserError if rows of this run cannot be appended to it."""
    data = files.read(path, MAX_TABLE_BYTES) if files.exists(path) else b""
    if data and not data.startswith(header):
        raise UserError(f"{path}: its columns are not those of this run; move the file away or use another folder")
    if data and not data.endswith(b"\n"):
        raise UserError(f"{path}: its last row is torn; cut the file back to its checkpoint's length")
    return len(data)


def _cell(value: Any) -> str:
    """The shortest text that reads back as the same number in its own precision; empty for None and NaN."""
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return ""
    if isinstance(value, float):  # np.float64 is a float too, but its own repr is "np.float64(1.0)"
        return float.__repr__(value)
    if isinstance(value, np.floating):
        return str(value)
    if isinstance(value, (int, np.integer, np.bool_)):
        return str(int(value))
    raise TypeError(f"a cell takes a number, not {type(value).__name__}: {value!r}")
