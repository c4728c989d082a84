import errno
import os

import numpy as np
import pytest

from rl_decay.errors import UserError
from rl_decay.runs.durable import truncate_synced
from rl_decay.runs.tables import CsvTable, read


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.csv"


def test_nothing_is_written_before_the_first_flush(path):
    table = CsvTable(path, ["a", "b"])
    table.append({"a": 1})
    assert not path.exists()
    assert table.flush() == len("a,b\n1,\n")
    assert path.read_text() == "a,b\n1,\n"


def test_the_header_comes_with_the_first_flush_and_once(path):
    table = CsvTable(path, ["a", "b"])
    assert table.flush() == table.flush() == 4
    assert path.read_text() == "a,b\n"


def test_rows_survive_many_flushes(path):
    table = CsvTable(path, ["i", "square"])
    for i in range(500):
        table.append({"square": i * i, "i": i})
        if i % 7 == 0:
            assert table.flush() == path.stat().st_size
    table.flush()
    columns = read(path)
    np.testing.assert_array_equal(columns["i"], np.arange(500))
    np.testing.assert_array_equal(columns["square"], np.arange(500) ** 2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (np.float32("nan"), ""),
        (np.float64("nan"), ""),
        (3, "3"),
        (np.int64(2**53 + 1), "9007199254740993"),
        (True, "1"),
        (np.bool_(False), "0"),
        (0.1, "0.1"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.1"),  # float(np.float32(0.1)) is 0.10000000149011612
        (1 / 3, "0.3333333333333333"),
        (np.float32(1 / 3), "0.33333334"),
        (np.float16(0.1), "0.1"),
        (float("-inf"), "-inf"),
    ],
)
def test_cells(path, value, text):
    table = CsvTable(path, ["a", "b"])
    table.append({"a": value})
    table.flush()
    assert path.read_text() == f"a,b\n{text},\n"


def test_numbers_read_back_exactly(path):
    values = np.random.default_rng(0).standard_normal(300) * 10.0 ** np.arange(-150, 150)
    small = np.random.default_rng(1).standard_normal(300).astype(np.float32)
    table = CsvTable(path, ["double", "single"])
    for double, single in zip(values, small, strict=True):
        table.append({"double": double, "single": single})
    table.flush()
    columns = read(path)
    np.testing.assert_array_equal(columns["double"], values)
    np.testing.assert_array_equal(columns["single"].astype(np.float32), small)


def test_empty_cells_read_as_nan(path):
    table = CsvTable(path, ["a", "b"])
    table.append({})
    table.append({"b": 2})
    table.flush()
    columns = read(path)
    np.testing.assert_array_equal(columns["a"], [np.nan, np.nan])
    np.testing.assert_array_equal(columns["b"], [np.nan, 2.0])


def test_an_unknown_column_is_refused(path):
    with pytest.raises(KeyError, match=r"metrics\.csv has no column lr/acter"):
        CsvTable(path, ["lr/actor"]).append({"lr/acter": 1.0})


@pytest.mark.parametrize("value", ["1", [1.0], np.ones(1), 1j])
def test_what_is_no_number_is_refused(path, value):
    with pytest.raises(TypeError, match="a cell takes a number"):
        CsvTable(path, ["a"]).append({"a": value})


@pytest.mark.parametrize("columns", [["a", "a"], ["a,b"], ['"a"'], ["a\n"]])
def test_columns_that_csv_would_have_to_quote_are_refused(path, columns):
    with pytest.raises(ValueError, match="unique and free of commas"):
        CsvTable(path, columns)


def test_a_torn_last_line_is_ignored_by_readers(path):
    path.write_text("a,b\n1,2\n3,4")
    np.testing.assert_array_equal(read(path)["b"], [2.0])
    path.write_text("a,")
    assert read(path) == {}


def test_a_header_alone_is_a_table_without_rows(path):
    path.write_text("a,b\n")
    assert {name: len(column) for name, column in read(path).items()} == {"a": 0, "b": 0}


@pytest.mark.parametrize("line", ["1", "1,2,3", "1,x", ""])
def test_a_broken_line_is_named(path, line):
    path.write_text(f"a,b\n1,2\n{line}\n3,4\n")
    with pytest.raises(UserError, match=r"metrics\.csv: line 3 is not a row of 2 numbers"):
        read(path)


def test_cut_and_continue_equals_uninterrupted(path):
    table = CsvTable(path, ["a"])
    table.append({"a": 1})
    length = table.flush()
    table.append({"a": 99})
    table.flush()
    path.write_text(path.read_text() + "4")  # killed while writing
    truncate_synced(path, length)
    resumed = CsvTable(path, ["a"])
    resumed.append({"a": 2})
    resumed.flush()
    assert path.read_text() == "a\n1\n2\n"


def test_a_table_with_other_columns_is_not_continued(path):
    CsvTable(path, ["a", "b"]).flush()
    with pytest.raises(UserError, match="its columns are not those of this run"):
        CsvTable(path, ["a"])


def test_a_torn_table_is_not_continued(path):
    path.write_text("a\n1\n2")
    with pytest.raises(UserError, match="its last row is torn"):
        CsvTable(path, ["a"])


def test_rows_keep_waiting_where_a_flush_fails(path, monkeypatch):
    table = CsvTable(path, ["a"])
    table.append({"a": 1})

    def disk_full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        table.flush()
    monkeypatch.undo()
    table.append({"a": 2})
    table.flush()
    assert path.read_text() == "a\n1\n2\n"
