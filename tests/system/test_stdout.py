"""A closed standard output, and one that cannot show a character, disturb nothing."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import small_words

from rl_decay.system import stdout

PRINTING = "from rl_decay.system.stdout import keep_output\nkeep_output()\n"


@pytest.fixture
def broken(monkeypatch):
    """Replace sys.stdout by a stream into a pipe that its reader has closed: with broken(): ..."""

    @contextlib.contextmanager
    def replaced():
        reader, writer = os.pipe()
        os.close(reader)
        with monkeypatch.context() as patch, os.fdopen(writer, "w", encoding="ascii") as stream:
            patch.setattr(sys, "stdout", stream)  # here, because pytest captures anew for every phase of a test
            patch.setattr(sys, "stderr", io.StringIO())
            yield

    return replaced


def test_what_is_printed_after_the_reader_has_gone_is_dropped(broken):
    with broken():
        stdout.keep_output()
        for _ in range(3):
            print("lr -> 0.1 \u00b1 3", flush=True)
        encoding, on_terminal, kind = sys.stdout.encoding, sys.stdout.isatty(), os.fstat(sys.stdout.fileno()).st_rdev
    assert (encoding, on_terminal) == ("ascii", False)
    assert kind == os.stat(os.devnull).st_rdev  # child processes inherit this one


def test_a_second_call_and_a_stream_without_a_descriptor_change_nothing(broken):
    with broken():
        stdout.keep_output()
        before = sys.stdout, sys.stderr
        stdout.keep_output()
        after = sys.stdout, sys.stderr
    assert after == before


def run(code, tmp_path, *, shell="", **environment):
    command = f"{sys.executable} -c '{PRINTING}{code}' {shell}"
    options = {"env": os.environ | environment, "cwd": tmp_path, "text": True, "capture_output": True}
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], **options)


@pytest.mark.parametrize(
    "shell", ["| head -1 > /dev/null", ">&-", "> /dev/full", ">&- 2>&-"], ids=["head", "closed", "full", "both"]
)
def test_the_interpreter_ends_quietly_and_well(tmp_path, shell):
    ended = run('for i in range(100_000): print("line", i)\nopen("done", "w").write("whole")', tmp_path, shell=shell)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "done").read_text() == "whole"  # and not what was printed: its descriptor may have been free


def test_a_character_that_the_terminal_lacks_is_escaped(tmp_path):
    ended = run('print("\\u00b1 1")', tmp_path, PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\\xb1 1\n", "")


TRAIN = Path(__file__).parents[2] / "train.py"
SMALL = " ".join(small_words(total_steps=96))
SWEEP = "-m hydra.sweep.dir=mine seed=0,1 hydra.launcher.workers=1"


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["| head -1", ">&-", "> /dev/full"])
@pytest.mark.parametrize("words", ["hydra.run.dir=mine", SWEEP, SWEEP.replace("workers=1", "workers=2"), "--help"])
def test_training_its_files_and_its_report_are_as_ever(tmp_path, words, shell):
    command = f"{sys.executable} {TRAIN} {words} {SMALL} {shell}"
    options = {"cwd": tmp_path, "text": True, "capture_output": True, "env": os.environ | {"PYTHONIOENCODING": "ascii"}}
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], **options)
    assert (ended.returncode, ended.stderr) == (0, "")
    if "mine" in words:
        assert all('"finished"' in path.read_text() for path in (tmp_path / "mine").rglob("summary.json"))
    if "-m" in words.split():
        assert (tmp_path / "mine" / "report" / "report.md").is_file()
