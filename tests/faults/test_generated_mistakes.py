"""Generated mistakes: odd command lines, and files that were damaged. None may cost more than one line.

A case is a function of its number. To see one again: pytest -k "<name of the test> and 17" for the number 17; the
message of a failure holds the command and what was done to which file.
"""

import resource
import shlex
import shutil
import signal
import warnings
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from damages import damage, swap
from odd_commands import command
from variants import every

from rl_decay import resume
from rl_decay.compare import __main__ as compare
from rl_decay.compare.figures import plots
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.runs import layout

COMMANDS, DAMAGES = 60, 140  # in the fast suite
SLOW_CHUNKS, CHUNK_COMMANDS, CHUNK_DAMAGES = 50, 35, 65
MEMORY = 3 * 2**30  # bytes that a case may take beyond what the process had
SAFETY_SECONDS = 240
MODULES = {"resume": resume.main, "evaluate": evaluate.main, "compare": compare.main}


class Hang(BaseException):
    """A case that took far too long; no handler of the product catches it."""


@pytest.fixture(autouse=True)
def bounded(monkeypatch):
    """No case may hang the tests or fill the machine's memory. Reports come without figures, which take a second."""
    monkeypatch.setattr(plots, "available", lambda: False)
    monkeypatch.setenv("COLUMNS", "200")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    handler = signal.signal(signal.SIGALRM, _hang)
    yield
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


def _hang(*_):
    raise Hang


@pytest.fixture
def ended(train_in):
    """Run a command inside this process: ended(folder, "train" or a module's name, *arguments) -> Ended."""

    def run(folder, name, *arguments):
        signal.alarm(SAFETY_SECONDS)
        try:
            with warnings.catch_warnings(record=True) as shown:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", UserWarning)  # which Python prints for a person to see
                result = train_in(folder, *arguments, main=MODULES.get(name))
        except Hang:
            return SimpleNamespace(code="none, for it hung", out="", err="")
        finally:
            signal.alarm(0)
        result.err += "".join(f"UserWarning: {warning.message}\n" for warning in shown)
        return result

    return run


def faults(ended) -> list[str]:
    """What a person should not have had to see of how a command ended."""
    found = []
    errors = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    usage = ended.code == 2 and "usage: " in ended.err
    if ended.code not in (0, 1, 2):
        found.append(f"exit code {ended.code}")
    if "Traceback" in ended.out + ended.err:
        found.append("a traceback")
    if len(errors) > 1:
        found.append(f"{len(errors)} lines of error")
    if not usage and any(not line.startswith(("error: ", "failed: ")) for line in ended.err.splitlines()):
        found.append("other lines than the one of error")
    if ended.code == 0 and ended.err:
        found.append("success and an error")
    if ended.code == 1 and not (errors or "failed: " in ended.err or "diverged" in ended.out):
        found.append("exit code 1 without a word of why")
    if any(not (c.isprintable() or c in "\n\t") for c in ended.out + ended.err):
        found.append("characters that a terminal does not print")
    return found


def report(case, words, ended, found, what=""):
    """What it takes to understand a failure and to see it again; "" where there is none."""
    if not found:
        return ""
    lines = ended.err.splitlines()
    shown = "\n    ".join([*lines[:2], *lines[-3:]] if len(lines) > 5 else lines)
    return f"{case}: {', '.join(found)}\n  {what}\n  {shlex.join(words)}\n    {shown}\n"


def written(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: files with their content, folders as None."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def run_command(number, ended, folder):
    """Run one generated command line; returns its report."""
    inside = folder / "around" / "inside"
    inside.mkdir(parents=True)
    words = command(number)
    result = ended(inside, "train", *words)
    found = faults(result)
    outside = [path for path in written(folder) if not path.startswith("around/inside") and path != "around"]
    if outside:
        found.append(f"written outside: {outside[:3]}")
    return report(f"command {number}", ["python", "train.py", *words], result, found)


@pytest.fixture(scope="module")
def originals(small, killed, words, train_in, tmp_path_factory):
    """A finished run, one that was killed, and a sweep of which one job never began; copy them, do not change them."""
    folder = tmp_path_factory.mktemp("originals")
    whole, left = killed(folder, small(checkpoint__keep=2), 6)
    sweep = folder / "sweep"
    tiny = words(total_steps=64, checkpoint__every="null")
    tiny += ["hydra.sweep.subdir=seed${seed}", f"hydra.sweep.dir={sweep}", "compare=none", "hydra.launcher.workers=1"]
    result = train_in(folder, "-m", *tiny, "seed=0,1,2")
    assert result.code == 0, result
    shutil.rmtree(sweep / "seed1")
    return {"whole": whole.folder, "left": left, "sweep": sweep}


USES = {
    "whole": (["evaluate"], ["evaluate", "--checkpoint", "best"], ["compare"], ["resume"], ["longer"]),
    "left": (
        ["resume"],
        ["resume"],
        ["resume", "total_steps=320", "horizon=keep"],
        ["compare"],
        ["evaluate"],
        ["train"],
    ),
    "sweep": (["resume", "--workers", "1"], ["resume", "--workers", "1"], ["compare"]),
}


def run_damage(number, ended, originals, words, folder):
    """Damage a copy of a run or sweep and use it; returns the report."""
    random = Random(f"damage {number}")
    name = random.choices(("whole", "left", "sweep"), (3, 5, 3))[0]
    box = folder / "box"
    target = Path(shutil.copytree(originals[name], box / "mine"))
    (box / "neighbour").mkdir()
    (box / "neighbour" / layout.SUMMARY).write_text("somebody else's")
    what = (swap if random.random() < 0.06 else damage)(random, target)
    use, *options = random.choice(USES[name])
    if use == "train":
        line = ["train", *words(), f"hydra.run.dir={target}", "resume=auto"]
    elif use == "longer":
        line = ["resume", str(target), "total_steps=320", f"horizon={random.choice(('stretch', 'hold'))}"]
    else:
        line = [use, str(target), *options]
    before = _beside(box)
    result = ended(box, *line)
    found = faults(result)
    if _beside(box) != before:
        found.append("written outside")
    return report(f"damage {number}", line, result, found, f"{name}: {what}")


def _beside(box: Path) -> dict[str, bytes | None]:
    return {path: content for path, content in written(box).items() if not path.startswith("mine")}


@pytest.mark.parametrize("number", every(10, range(COMMANDS)))
def test_an_odd_command_costs_one_line(number, ended, tmp_path):
    problem = run_command(number, ended, tmp_path)
    assert not problem, problem


@pytest.mark.parametrize("number", every(15, range(DAMAGES)))
def test_a_damaged_file_costs_one_line(number, ended, originals, words, tmp_path):
    problem = run_damage(number, ended, originals, words, tmp_path)
    assert not problem, problem


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(SLOW_CHUNKS))
def test_many_odd_commands_cost_one_line_each(chunk, ended, tmp_path):
    first = COMMANDS + chunk * CHUNK_COMMANDS
    numbers = range(first, first + CHUNK_COMMANDS)
    problems = [run_command(number, ended, tmp_path / str(number)) for number in numbers]
    assert not any(problems), "\n".join(filter(None, problems))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(SLOW_CHUNKS))
def test_many_damaged_files_cost_one_line_each(chunk, ended, originals, words, tmp_path):
    first = DAMAGES + chunk * CHUNK_DAMAGES
    numbers = range(first, first + CHUNK_DAMAGES)
    problems = [run_damage(number, ended, originals, words, tmp_path / str(number)) for number in numbers]
    assert not any(problems), "\n".join(filter(None, problems))
