"""Every command answers a mistake and a Ctrl-C with one line and its exit code."""

import signal

import pytest

from rl_decay import resume
from rl_decay.compare import __main__ as compare
from rl_decay.evaluate import __main__ as evaluate

COMMANDS = {"evaluate": (evaluate, "load_policy"), "resume": (resume, "RunFolder"), "compare": (compare, "run")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_ctrl_c_is_one_line(name, monkeypatch, capsys, tmp_path):
    command, first = COMMANDS[name]
    monkeypatch.setattr(command, first, lambda *_: signal.raise_signal(signal.SIGINT))
    assert command.main([str(tmp_path / "run")]) == 130
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("interrupted") and err.count("\n") == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_is_not_there_is_one_line(name, capsys, tmp_path):
    assert COMMANDS[name][0].main([str(tmp_path / "run")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and str(tmp_path / "run") in err and err.count("\n") == 1
