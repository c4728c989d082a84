"""Folders as the person who typed the command can type them again."""

from pathlib import Path

import pytest

from rl_decay.runs.continuation import continue_command
from rl_decay.system.shell import absolute, as_typed, typed_in


@pytest.mark.parametrize(
    "folder, words",
    [
        ("runs/mine", "runs/mine"),
        ("my run", "'my run'"),
        ("it's", "'it'\"'\"'s'"),
        ("-m", "./-m"),
        ("$HOME", "'$HOME'"),
        (".", "."),
        ("/elsewhere/a b", "'/elsewhere/a b'"),
    ],
)
def test_a_folder_is_relative_and_quoted(tmp_path, monkeypatch, folder, words):
    monkeypatch.chdir(tmp_path)
    assert as_typed(tmp_path / folder) == as_typed(Path(folder)) == words
    assert continue_command(tmp_path / folder, []) == f"python -m rl_decay.resume {words}"


def test_the_folder_of_the_command_counts_and_not_the_one_of_the_process(tmp_path, monkeypatch):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs" / "mine")
    with typed_in(tmp_path):
        assert as_typed(tmp_path / "runs" / "mine") == as_typed(Path()) == "runs/mine"
        assert absolute("src/best.pt") == tmp_path / "src" / "best.pt"
        assert absolute("../x.pt") == tmp_path.parent / "x.pt"
        assert absolute("/a/b.pt") == Path("/a/b.pt")
    assert absolute("best.pt") == tmp_path / "runs" / "mine" / "best.pt"
