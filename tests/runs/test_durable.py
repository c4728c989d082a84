import errno
import os

import pytest

from rl_decay.errors import UserError
from rl_decay.runs.durable import append_to, truncate_synced, write_atomically


def disk_full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_append_returns_the_length(tmp_path):
    path = tmp_path / "file"
    assert append_to(path, b"") == 0
    assert append_to(path, b"abc") == 3
    assert append_to(path, b"de") == 5
    assert path.read_bytes() == b"abcde"


def test_a_failing_append_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    append_to(path, b"abc")
    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        append_to(path, b"de")
    assert path.read_bytes() == b"abc"


def test_an_append_that_fails_half_way_leaves_the_file_as_it_was(tmp_path, python):
    code = """
import resource, signal, sys
from pathlib import Path
from rl_decay.runs.durable import append_to
path = Path(sys.argv[1])
append_to(path, b"abc")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5, resource.RLIM_INFINITY))
try:
    append_to(path, b"defg")  # the kernel takes 2 of the 4 bytes
except OSError as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(error.strerror, path.read_bytes(), append_to(path, b"defg"))
"""
    assert python(code, tmp_path / "file").communicate() == ("File too large b'abc' 7\n", "")


def test_cut_takes_off_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abcde")
    truncate_synced(path, 5)
    truncate_synced(str(path), 2)
    assert path.read_bytes() == b"ab"


def test_cut_never_lengthens(tmp_path):
    path = tmp_path / "file"
    truncate_synced(path, 0)
    assert not path.exists()
    with pytest.raises(UserError, match="0 bytes, but its checkpoint was saved after 3"):
        truncate_synced(path, 3)
    path.write_bytes(b"ab")
    with pytest.raises(UserError, match="rows are missing"):
        truncate_synced(path, 3)
    assert path.read_bytes() == b"ab"


def test_replace_swaps_the_content(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_replace_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(os, step, disk_full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_replace_takes_over_what_a_killed_writer_left(tmp_path):
    (tmp_path / ".file.tmp").write_bytes(b"half")
    write_atomically(tmp_path / "file", b"new")
    assert os.listdir(tmp_path) == ["file"]
