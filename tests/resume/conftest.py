"""Runs that are killed: in a forked copy of this process, where PyTorch is loaded already; and what they leave."""

import contextlib
import importlib.util
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from trained import train_configs

from rl_decay import resume
from rl_decay.config.schema import Config
from rl_decay.runs import durable, layout
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps.sweep import Options, Sweep
from rl_decay.training import checkpoints, saver
from rl_decay.training.start_point import find_start_point

CLI = Path(__file__).parents[1] / "cli" / "conftest.py"
_spec = importlib.util.spec_from_file_location("running_train_py", CLI)
assert _spec is not None and _spec.loader is not None
_cli = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_cli)
train_in = _cli.train_in

STRUCK = 77  # exit code of a process that ended itself
PATIENCE = 600.0  # seconds until a forked process counts as hanging
MAY_DIFFER = ("wall_seconds", "steps_per_second", "resumed", "overrides")  # of a summary, after a continuation


@pytest.fixture(scope="session")
def tiny():
    """Overrides of runs of five iterations of 32 steps, saved after 2, 4 and 5."""
    saved = ("checkpoint.every=2", "checkpoint.keep=2", "evaluation.early=1", "evaluation.late=1")
    return ("total_steps=160", *_cli.SMALL, *saved)


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """What a dead process wrote is safe with the kernel, so nothing here waits for the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def little(configure):
    """A run of seven iterations that is saved after iterations 2, 4, 6 and 7, with everything that can be restored."""

    def config(**values) -> Config:
        defaults = {
            "env__id": "tests/Push-v0",
            "algo__num_steps": 8,
            "total_steps": 7 * 2 * 8,
            "net__hidden": [8],
            "normalize__obs": True,
            "normalize__reward": True,
            "algo__target_kl": 0.01,
            "evaluation__early": 2,
            "evaluation__late": 2,
            "logger__tensorboard": True,
            "checkpoint__every": 2,
            "checkpoint__keep": 2,
            "resume": "auto",
        }
        return configure(**(defaults | values))

    return config


@pytest.fixture(scope="session")
def killed():
    """Work in a fork that dies `at` its n-th state of the disk, or by a signal `after` so many seconds; True if so."""

    def fork(work: Callable[[], object], *, at: int | None = None, after: float | None = None, by=signal.SIGKILL):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the child touches none of the other threads' locks
            child = os.fork()
        if child == 0:
            _live(work, at)
        return _watch(child, after, by)

    return fork


def _live(work: Callable[[], object], at: int | None) -> None:
    """The life of a forked process: it never comes back to the tests."""
    code = 1
    try:
        if at is not None:
            _die_at(at)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _watch(child: int, after: float | None, by: int) -> bool:
    begun, sent = time.monotonic(), False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if after is not None and not sent and time.monotonic() - begun >= after:
            os.kill(child, by)
            sent = True
        if time.monotonic() - begun > PATIENCE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the forked process hangs")
        time.sleep(0.0005)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, STRUCK, -by), f"the forked process ended with {code}, see its traceback"
    return code != 0


def _die_at(last: int) -> None:
    """End this process at the `last` state that `durable` brings the disk into.

    A write brings about two, half of it and all of it; a rename and a truncation one each. A death before an fsync and
    one after it leave the same, for the kernel has the bytes already.
    """
    done = 0

    def reached() -> None:
        nonlocal done
        done += 1
        if done >= last:
            os._exit(STRUCK)

    def fatal(operation: Callable) -> Callable:
        def run(*arguments, **options):
            result = operation(*arguments, **options)
            reached()
            return result

        return run

    class Mortal:
        """A file whose writes may be the last."""

        def __init__(self, file):
            self._file = file
            self.truncate = fatal(file.truncate)

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *failure):
            self._file.close()

        def write(self, data):
            half = len(data) // 2
            for part in (data[:half], data[half:]):
                assert self._file.write(part) == len(part)
                self._file.flush()
                reached()
            return len(data)

    class Mortality:
        """The module os, as `durable` sees it."""

        replace = staticmethod(fatal(os.replace))

        def __getattr__(self, name):
            return getattr(os, name)

    durable.os = Mortality()
    durable.open = lambda *arguments, **options: Mortal(open(*arguments, **options))  # noqa: SIM115
    saver.FLUSH_SECONDS = -1.0  # rows reach the disk between checkpoints too


@pytest.fixture(scope="session")
def go_on():
    """Train configurations in their folders as far as they are not: as a sweep, because they may be unequally far."""

    def train(configs, folders) -> None:
        jobs = [Job(n, c, f, ()) for n, (c, f) in enumerate(zip(configs, folders, strict=True))]
        with redirect_stdout(io.StringIO()):
            assert Sweep(jobs, Options(workers=1), folders[0].parent).train()
        ended = [read_summary(folder) for folder in folders]
        assert {(said["status"], said["reason"]) for said in ended} == {(layout.FINISHED, None)}

    return train


@pytest.fixture(scope="session")
def train_all():
    """Train configurations as one population, or as many as it takes where they have come unequally far."""

    def train(configs, folders) -> None:
        groups: dict[object, list[int]] = {}
        for m, (config, folder) in enumerate(zip(configs, folders, strict=True)):
            start = find_start_point(Job(m, config, folder), RunFolder(folder))
            groups.setdefault((start.ended, start.resume_point), []).append(m)
        for group in groups.values():
            train_configs([configs[m] for m in group], [folders[m] for m in group])

    return train


@pytest.fixture(scope="session")
def resume_in():
    """Run `python -m rl_decay.resume` in a folder, inside this process: resume_in(folder, *arguments) -> Ended."""

    def run(folder, *arguments):
        out, err, code = io.StringIO(), io.StringIO(), 0
        with _cli._as_it_was(), contextlib.chdir(folder), redirect_stdout(out), redirect_stderr(err):
            try:
                code = resume.main([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code or 0
        return _cli.Ended(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def command():
    """The arguments of the command that continues, as a shell would split what was printed."""

    def read(out: str) -> list[str]:
        (line,) = [line for line in out.splitlines() if line.startswith("continue it: ")]
        words = shlex.split(line.removeprefix("continue it: "))
        assert words[:3] == ["python", "-m", "rl_decay.resume"]
        return words[3:]

    return read


@pytest.fixture(scope="session")
def typed():
    """Run Python in a folder with these arguments, as a person does: typed(folder, *arguments) -> Ended."""

    def run(folder, *arguments):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=folder, env=_cli._environment(folder), capture_output=True, text=True
        )
        return _cli.Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def differences():
    """What two folders of the same run do not have in common; what the clock says is no result."""

    def compare(one: Path, other: Path, ignore: tuple[str, ...] = ()) -> list[str]:
        first = known[one] = known.get(one) or left_behind(one)
        second = left_behind(other)
        names = [name for name in first.keys() | second.keys() if not name.startswith(ignore)]
        return sorted(name for name in names if first.get(name) != second.get(name))

    known: dict[Path, dict[str, object]] = {}
    return compare


def left_behind(folder: Path) -> dict[str, object]:
    """Every file below a run's folder by name, and everything in it that is a result."""
    metrics = [line.split(",") for line in (folder / layout.METRICS_CSV).read_text().splitlines()]
    speed = metrics[0].index("charts/SPS")
    found: dict[str, object] = {"metrics.csv": [row[:speed] + row[speed + 1 :] for row in metrics]}
    found["evaluations.csv"] = (folder / layout.EVALUATIONS_CSV).read_text()
    found["scalars"], found["descriptions"] = events(folder)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    hydra = (".hydra", layout.EVENTS, "train.log")
    found["files"] = sorted(name for name in names if not name.startswith(hydra))
    for path in sorted((folder / layout.CHECKPOINTS).glob("*.pt")):
        content = checkpoints.load(path)
        place = [("iteration", content["iteration"]), ("actions", _bytes(content.get("actions")))]
        found[path.name] = [*place, *_leaves(content["agent"], "agent")]
    summary = json.loads((folder / layout.SUMMARY).read_text())
    summary["config"].pop("resume")
    return found | {f"summary/{key}": value for key, value in summary.items() if key not in MAY_DIFFER}


def events(folder: Path) -> tuple[list[tuple], list[tuple]]:
    """All scalars (tag, step, value) but the speed, and all other tags, of the event files in the order of names."""
    scalars, others = [], []
    for path in sorted(folder.glob(f"{layout.EVENTS}*")):
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.WhichOneof("value") != "simple_value":
                    others.append((value.tag, event.step))
                elif value.tag != "charts/SPS":
                    scalars.append((value.tag, event.step, value.simple_value))
    return scalars, others


def _leaves(state, name):
    if isinstance(state, dict):
        for key, value in state.items():
            yield from _leaves(value, f"{name}/{key}")
    else:
        yield name, _bytes(state)


def _bytes(tensor):
    return None if tensor is None else (str(tensor.dtype), tuple(tensor.shape), tensor.numpy().tobytes())
