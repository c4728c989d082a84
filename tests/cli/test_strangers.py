"""No command imports a module that a recorded file names unless it is installed or the person says so."""

import importlib
import json
import shutil
import sys

import gymnasium as gym
import pytest
from small_runs import QUIET
from trained import train_configs

import rl_decay
from rl_decay import compare, resume
from rl_decay.config.schema import flat, unflat
from rl_decay.console.terminal import Terminal
from rl_decay.errors import UserError
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.export import __main__ as export
from rl_decay.runs import layout
from rl_decay.runs.continuation import continue_command
from rl_decay.runs.jobs import write_jobs
from rl_decay.training import checkpoints

NAME = "strangers_task"
TASK = """
import gymnasium as gym
import numpy as np
from pathlib import Path
from gymnasium.envs.classic_control import PendulumEnv

Path(__file__).with_suffix(".ran").touch()
gym.register("Strange-v0", PendulumEnv, max_episode_steps=5)
"""
SMALL = QUIET | {
    "env.id": f"{NAME}:Strange-v0",
    "algo.num_steps": 8,
    "net.hidden": [8],
    "total_steps": 32,
    "compare": "none",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a stranger's module, and a run and a sweep of its task."""
    folder = tmp_path_factory.mktemp("strange")
    (folder / f"{NAME}.py").write_text(TASK)
    sys.path.insert(0, str(folder))
    train_configs([unflat(SMALL)], [folder / "run"])
    train_configs([unflat(SMALL)], [folder / "sweep" / "begun"])
    sys.path.remove(str(folder))
    entry = {"folder": "waiting", "number": 1, "overrides": [], "config": flat(unflat(SMALL | {"seed": 1}))}
    write_jobs(folder / "sweep", [entry])
    return folder


@pytest.fixture
def ran(home, tmp_path, monkeypatch):
    """The module is on the path and was never imported; call it to hear whether its code ran. Folders are copies."""
    marker = home / f"{NAME}.ran"
    marker.unlink(missing_ok=True)
    for name in ("run", "sweep"):
        shutil.copytree(home / name, tmp_path / name)
    monkeypatch.syspath_prepend(home)
    monkeypatch.delitem(sys.modules, NAME, raising=False)
    gym.registry.pop("Strange-v0", None)
    yield marker.exists
    sys.modules.pop(NAME, None)
    gym.registry.pop("Strange-v0", None)


def unfinished(folder):
    """Make the runs of a folder as if each had been stopped before its end."""
    for path in folder.rglob(layout.SUMMARY):
        path.write_text(path.read_text().replace('"finished"', '"interrupted"'))


def evaluates(folder, *options):
    return evaluate.main([str(folder / "run"), *options])


def evaluates_a_file(folder, *options):
    """A checkpoint of somebody else's beside a harmless run."""
    shutil.copy(folder / "run" / "checkpoints" / "best.pt", folder / "strangers.pt")
    return evaluate.main([str(folder / "run"), "--checkpoint", str(folder / "strangers.pt"), *options])


def exports(folder, *options):
    return export.main([str(folder / "run"), "--to", "pt2", *options])


def resumes(folder, *options):
    unfinished(folder / "run")
    return resume.main([str(folder / "run"), *options])


def resumes_a_sweep(folder, *options):
    unfinished(folder / "sweep")
    (folder / "sweep" / layout.JOBS).unlink(missing_ok=True)
    return resume.main([str(folder / "sweep"), "--workers", "1", *options])


def resumes_a_list(folder, *options):
    """A sweep of which no job has begun."""
    shutil.rmtree(folder / "sweep" / "begun", ignore_errors=True)
    return resume.main([str(folder / "sweep"), "--workers", "1", *options])


DOORS = {
    evaluates: "latest.pt",
    evaluates_a_file: "strangers.pt",
    exports: "latest.pt",
    resumes: "summary.json",
    resumes_a_sweep: "summary.json",
    resumes_a_list: "jobs.json",
}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_without_a_word_no_door_lets_a_strangers_module_run(door, home, ran, tmp_path, capsys):
    assert door(tmp_path) == 1
    (line,) = capsys.readouterr().err.splitlines()
    for words in (DOORS[door], f"names the module {NAME}", str(home / f"{NAME}.py"), "code runs", f"--trust {NAME}"):
        assert words in line
    assert not ran() and NAME not in sys.modules
    assert door(tmp_path, "--trust", "another_module") == 1
    assert not ran()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_with_the_persons_word_every_door_opens(door, ran, tmp_path):
    assert door(tmp_path, "--trust", NAME) == 0
    assert ran()


def test_a_program_gives_its_word_by_an_argument(ran, tmp_path):
    with pytest.raises(UserError, match=f'trust=."{NAME}".'):
        rl_decay.load_policy(tmp_path / "run")
    assert not ran()
    assert rl_decay.load_policy(tmp_path / "run", trust=[NAME])([1.0, 0.0, 0.0]).shape == (1,)
    assert ran()


def test_a_program_that_has_imported_the_module_itself_needs_no_word(ran, tmp_path):
    importlib.import_module(NAME)
    assert rl_decay.load_policy(tmp_path / "run").iteration == 2


def test_what_a_person_types_needs_no_word(ran, train_in, home, tmp_path):
    words = [f"{key}={value}".replace(" ", "") for key, value in SMALL.items()]
    typed = ["env=generic", "actor.lr=3e-4", "critic.lr=3e-4", *words, f"hydra.run.dir={tmp_path}/typed"]
    assert train_in(home, *typed).code == 0
    sys.modules.pop(NAME)
    gym.registry.pop("Strange-v0")
    unfinished(tmp_path / "typed")
    assert train_in(home, *typed, "resume=auto").code == 0


def test_the_weights_of_a_strangers_checkpoint_are_taken_without_its_task(ran, tmp_path):
    source = tmp_path / "run" / "checkpoints" / "best.pt"
    config = unflat(SMALL | {"env.id": "Pendulum-v1", "init_from": str(source)})
    assert train_configs([config], [tmp_path / "branch"])[0].status == "finished"
    assert not ran()


def test_a_comparison_imports_no_task(ran, tmp_path):
    compare.run([tmp_path / "run"], tmp_path / "report")
    assert not ran()


def test_the_printed_commands_contain_the_flag(ran, tmp_path, capsys):
    summary = json.loads((tmp_path / "run" / layout.SUMMARY).read_text())
    Terminal().results([summary | {"status": "interrupted", "reason": None}], tmp_path / "run")
    assert f"rl_decay.resume {tmp_path / 'run'} --trust {NAME}\n" in capsys.readouterr().out
    assert continue_command(tmp_path, ["b", "a", "b"]) == f"python -m rl_decay.resume {tmp_path} --trust b --trust a"
    assert continue_command(tmp_path, []) == f"python -m rl_decay.resume {tmp_path}"


def test_overrides_may_follow_the_printed_command(ran, tmp_path):
    longer = ("total_steps=48", "horizon=keep")
    assert resume.main([str(tmp_path / "run"), "--trust", NAME, *longer]) == 0
    assert checkpoints.load(tmp_path / "run" / "checkpoints" / "latest.pt")["iteration"] == 3
