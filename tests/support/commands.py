"""The commands: inside this process where that is enough, which saves the seconds that PyTorch takes to import."""

import contextlib
import io
import logging
import os
import runpy
import shlex
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra

from rl_decay import resume

TRAIN = Path(__file__).parents[2] / "train.py"
SAFETY = 600.0  # seconds; ends a test that hangs, and decides nothing else


@dataclass
class Ended:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    def refused(self, *words: str) -> None:
        """Assert: exit code 1 and a single line of error that has these words."""
        assert self.code == 1, self
        lines = self.err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        assert "Traceback" not in self.out
        for word in words:
            assert word in lines[0], (word, lines[0])


def train_in(folder: Path, *arguments: str, main: Callable[[list[str]], int] | None = None) -> Ended:
    """Run train.py, or the `main` of another command, as if it had been typed in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with as_it_was(), contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        sys.argv = ["train.py", *arguments]
        try:
            if main is None:
                runpy.run_path(str(TRAIN), run_name="__main__")
            else:
                code = main(list(arguments))
        except SystemExit as end:
            code = end.code or 0
        except KeyboardInterrupt:  # it would end the tests; the interpreter prints a traceback
            code = -signal.SIGINT
        except Exception:
            code = 1
            traceback.print_exc()
    return Ended(code, out.getvalue(), err.getvalue())


def resume_in(folder: Path, *arguments: object) -> Ended:
    """Run `python -m rl_decay.resume` inside this process, as if it had been typed in a folder."""
    return train_in(folder, *map(str, arguments), main=resume.main)


def typed(folder: Path, *arguments: object) -> Ended:
    """Run Python in a folder with these arguments, in a process of its own, as a person does."""
    command = [sys.executable, *map(str, arguments)]
    ended = subprocess.run(command, cwd=folder, env=environment(folder), capture_output=True, text=True)
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def printed_command(out: str) -> list[str]:
    """The arguments of the command that continues, as a shell would split what was printed."""
    (line,) = [line for line in out.splitlines() if line.startswith("continue it: ")]
    words = shlex.split(line.removeprefix("continue it: "))
    assert words[:3] == ["python", "-m", "rl_decay.resume"]
    return words[3:]


def until(event, process):
    """Wait until event() is true while a process lives."""
    end = time.monotonic() + SAFETY
    while not event():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the event does not come"
        time.sleep(0.05)


def environment(folder: Path) -> dict[str, str]:
    """Variables of a process that can import the modules in a folder, and those beside this one."""
    path = [str(folder), str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)}


@contextlib.contextmanager
def as_it_was():
    """Put back what Hydra changes in a process that it takes for its own."""
    argv, full_error, root = sys.argv, os.environ.get("HYDRA_FULL_ERROR"), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.pop("HYDRA_FULL_ERROR", None)
        if full_error is not None:
            os.environ["HYDRA_FULL_ERROR"] = full_error
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        GlobalHydra.instance().clear()
