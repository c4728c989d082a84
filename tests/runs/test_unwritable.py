"""Why a folder cannot be written, in the words of a person."""

import errno
import os
from types import SimpleNamespace

import pytest

from rl_decay.runs.unwritable import unwritable


def lack(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("inodes, words", [(0, "No space left on device: no inodes are left"), (9, "on device)")])
def test_a_disk_without_inodes_is_told_from_a_full_one(inodes, words, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_files=100, f_favail=inodes))
    line = unwritable(tmp_path / "not" / "made", lack(errno.ENOSPC))
    assert words in line and line.endswith("; make room")


def test_too_many_open_files_name_the_limit(tmp_path):
    line = unwritable(tmp_path, lack(errno.EMFILE))
    assert "`ulimit -n` allows " in line and line.endswith("; raise the limit")


def test_another_folder_is_the_way_out_of_a_forbidden_one(tmp_path):
    assert unwritable(tmp_path, lack(errno.EROFS)).endswith("; choose another folder")
