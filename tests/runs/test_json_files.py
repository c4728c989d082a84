"""The reader of JSON files: values of the wanted kind, or one line."""

import os
from typing import Any

import pytest

from rl_decay.errors import UserError
from rl_decay.runs.json_files import MAX_NESTING, read_json

BAD = {
    "nothing": (b"", "Expecting value"),
    "half": (b'{"a": ', "Expecting value"),
    "two values": (b"1 2", "Extra data"),
    "other encoding": ('{"a": "é"}'.encode("latin-1"), "utf-8"),
    "utf-16": ('{"a": 1}'.encode("utf-16"), "utf-8"),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', "BOM"),
    "half of a pair": (b'{"a": "\\ud800"}', "surrogates not allowed"),
    "half of a pair in a key": (b'{"\\udfff": 1}', "surrogates not allowed"),
    "not a number": (b'{"a": NaN}', "NaN is no number"),
    "infinity": (b"[-Infinity]", "-Infinity is no number"),
    "overflow": (b"[1e999]", "1e999 is no finite number"),
    "a key twice": (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"),
    "deep": (b"[" * (MAX_NESTING + 2) + b"]" * (MAX_NESTING + 2), "nested too deeply"),
    "very deep": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "deep objects": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested too deeply"),
    "many digits": (b"1" * 5_000, "(a number of 5,000 digits)"),
    "another kind": (b"3", "it is 3, not a list"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_plain_json_is_one_line_with_the_way_out(name, tmp_path):
    data, words = BAD[name]
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UserError) as refused:
        read_json(path, list[Any] if name == "another kind" else Any, 2**20, "; the way out")
    message = str(refused.value)
    assert message.startswith(f"{path}: cannot be read (") and message.endswith("; the way out")
    assert words in message and message.isprintable() and len(message) < 600 + len(str(path))


def test_what_is_plain_json_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes('{"a": [1, -2.5, null, true, "\\u00e9é\\ud83d\\ude00"], "b": {}}'.encode())
    assert read_json(path, Any, 100) == {"a": [1, -2.5, None, True, "éé😀"], "b": {}}
    path.write_bytes(b"[" * MAX_NESTING + b"1" + b"]" * MAX_NESTING)
    read_json(path, Any, 100)


def test_the_bytes_of_a_files_name_survive(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'["\\udcff"]')  # as Python writes the name b"\xff"
    assert os.fsencode(read_json(path, Any, 100)[0]) == b"\xff"


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "a.json"
    path.touch()
    os.truncate(path, 2**40)  # takes no room on the disk
    with pytest.raises(UserError, match=r"1,099,511,627,776 bytes, more than 1,048,576"):
        read_json(path, Any, 2**20)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_not_waited_for(make, tmp_path):
    make(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"not a file|Is a directory"):
        read_json(tmp_path / "a.json", Any, 100)
