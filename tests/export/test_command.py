"""python -m rl_decay.export: a file, one line, and nothing overwritten."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from trained import train_configs

import rl_decay
from rl_decay.export.__main__ import main


@pytest.fixture
def finished(configure, tmp_path):
    """The folder of a finished run."""
    (result,) = train_configs([configure()], [tmp_path / "mine"])
    return result.folder


@pytest.fixture
def refused(capsys):
    """Run the command, which must refuse; returns its single line."""

    def run(*arguments):
        assert main([str(argument) for argument in arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line

    return run


@pytest.mark.parametrize("to", ["onnx", "pt2"])
def test_the_file_lies_in_the_run_folder(finished, capsys, to):
    assert main([str(finished), "--to", to, "--checkpoint", "best"]) == 0
    out, err = capsys.readouterr()
    iteration = rl_decay.load_policy(finished, "best").iteration
    path = finished / f"policy.{to}"
    assert out == f"{path}: CartPole-v1 after iteration {iteration}, observations [B, 4] float32\n" and err == ""
    assert str(rl_decay.__path__[0]).encode() not in path.read_bytes()  # no paths of this machine


@pytest.mark.thorough
def test_a_person_sees_no_warnings(finished, tmp_path):
    command = [sys.executable, "-m", "rl_decay.export", str(finished), "--to", "onnx"]
    environment = os.environ | {"PYTHONPATH": os.path.dirname(rl_decay.__path__[0])}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert ended.stderr == "" and len(ended.stdout.splitlines()) == 1


def test_another_program_runs_the_file_without_this_package(finished, tmp_path):
    assert main([str(finished), "--to", "pt2", "--out", str(tmp_path / "mine.pt2")]) == 0
    reader = "import sys, torch; print(torch.export.load('mine.pt2').module()(torch.ones(3, 4)).tolist())"
    reader += "; assert 'rl_decay' not in sys.modules"
    command = [sys.executable, "-W", "ignore", "-c", reader]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    policy = rl_decay.load_policy(finished)
    assert ended.stdout.strip() == str(policy(np.ones((3, 4), np.float32)).tolist())


def test_an_existing_file_stays(refused, finished):
    path = finished / "policy.pt2"
    path.write_text("mine")
    line = refused(finished, "--to", "pt2")
    assert str(path) in line and "exists already" in line and "--out" in line
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["policy.pt2", "none/policy.onnx", "policy"])
def test_a_file_that_cannot_be_made_is_named(refused, finished, tmp_path, name):
    line = refused(finished, "--to", "onnx", "--out", tmp_path / name)
    assert f"--out {tmp_path / name}: must name an .onnx file in a folder that exists" in line


def test_a_full_disk_is_said(refused, finished, monkeypatch):
    def fail(*arguments):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("rl_decay.export.__main__.write_atomically", fail)
    assert "policy.pt2: cannot be written (No space left on device)" in refused(finished, "--to", "pt2")


@pytest.mark.parametrize("package", ["onnx", "onnxscript"])
def test_a_missing_package_is_answered_with_the_command(refused, finished, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # importing it now fails
    line = refused(finished, "--to", "onnx")
    assert "needs the extra `export`: pip install -c constraints.txt -e '.[export]'" in line and package in line
    assert main([str(finished), "--to", "pt2"]) == 0  # which PyTorch writes alone


def test_a_folder_without_a_run_is_named(refused, tmp_path):
    assert f"{tmp_path}: no run folder" in refused(tmp_path, "--to", "onnx")


@pytest.mark.parametrize("words", [[], ["--to", "jit"]])
def test_the_format_must_be_chosen(finished, capsys, words):
    with pytest.raises(SystemExit):
        main([str(finished), *words])
    assert "--to" in capsys.readouterr().err.splitlines()[-1]


def test_a_model_is_loadable_under_autocast(finished):
    with torch.autocast("cpu"):
        assert main([str(finished), "--to", "pt2"]) == 0
    program = torch.export.load(io.BytesIO((finished / "policy.pt2").read_bytes()))
    assert "bfloat16" not in str(program)
