"""`env.wrappers` and `env.entry_point` on the command line, and in a file that somebody else has recorded."""

import sys

import pytest

from rl_decay import resume
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.runs.summary import read_summary

NAME = "nearby_code"
CODE = """
from pathlib import Path

import gymnasium as gym
from gymnasium.envs.classic_control import PendulumEnv

Path(__file__).with_suffix(".ran").touch()


class Own(gym.Wrapper):
    pass


class MyEnv(PendulumEnv):
    pass
"""
WRAPPED = (
    "env.id=Pendulum-v1",
    f"env.wrappers=[gymnasium.wrappers.TimeAwareObservation, {{wrapper: {NAME}.Own}}]",
)
ENTERED = (f"env.entry_point={NAME}:MyEnv", "env.kwargs.max_episode_steps=20")
BOTH = pytest.mark.parametrize("words", [WRAPPED, ENTERED], ids=["wrappers", "entry point"])


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A module in the folder of the command that nobody has imported; its marker says whether its code ran."""
    (tmp_path / f"{NAME}.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield tmp_path / f"{NAME}.ran"
    sys.modules.pop(NAME, None)


@pytest.fixture
def recorded(code, train_py, small, tmp_path, monkeypatch):
    """A run of that module, as a stranger finds it: recorded(*words) -> the path of its summary."""

    def run(*words):
        ended = train_py("env=generic", *small, *words, "total_steps=64", "hydra.run.dir=mine")
        assert ended.code == 0, ended.err
        sys.modules.pop(NAME)
        code.unlink()
        summary = tmp_path / "mine" / "summary.json"
        summary.write_text(summary.read_text().replace('"finished"', '"interrupted"'))
        return summary

    return run


def test_typed_code_may_lie_in_the_current_folder_and_the_default_folder_has_the_derived_id(
    code, train_py, small, tmp_path
):
    assert train_py("env=generic", *small, *ENTERED, "total_steps=64").code == 0
    (folder,) = tmp_path.glob(f"runs/{NAME}:MyEnv/linear-linear/seed0-*")
    summary = read_summary(folder)
    assert summary["env_id"] == f"{NAME}:MyEnv" and folder.name.endswith(summary["fingerprint"][:8])


@BOTH
def test_a_recorded_name_needs_a_word_at_every_door(words, recorded, code, capsys):
    summary = recorded(*words)
    for main in (evaluate.main, resume.main):
        assert main([str(summary.parent)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert f"names the module {NAME}" in line and f"--trust {NAME}" in line
        assert not code.exists() and NAME not in sys.modules
    assert resume.main([str(summary.parent), "--trust", NAME]) == 0
    assert evaluate.main([str(summary.parent), "--trust", NAME]) == 0
    assert code.exists()


@BOTH
def test_the_command_repeated_continues_its_run(words, recorded, train_py, small):
    summary = recorded(*words)
    again = train_py("env=generic", *small, *words, "total_steps=64", "hydra.run.dir=mine", "resume=auto")
    assert again.code == 0 and read_summary(summary.parent)["status"] == "finished"


@pytest.mark.thorough
def test_a_process_of_its_own_with_environments_in_processes(code, shell, small):
    words = (*ENTERED, f"env.wrappers=[gymnasium.wrappers.TimeAwareObservation, {NAME}.Own]", "vec=async")
    ended = shell("env=generic", *small, *words, "total_steps=64", "hydra.run.dir=mine")
    assert ended.code == 0, ended.err


def test_a_sweep_over_wrappers(code, train_py, small, tmp_path):
    sweep = "env.wrappers=[],[gymnasium.wrappers.TimeAwareObservation]"
    words = ("total_steps=64", "compare=none", "hydra.launcher.workers=1", "hydra.sweep.dir=mine")
    ended = train_py("-m", *small, sweep, *words)
    assert ended.code == 0, ended.err
    found = {str(read_summary(path.parent)["config"]["env.wrappers"]) for path in tmp_path.glob("mine/*/summary.json")}
    assert found == {"[]", "['gymnasium.wrappers.TimeAwareObservation']"}


def test_the_hyperparameters_of_another_task_are_marked(code, train_py, small):
    ended = train_py(*small, *ENTERED, "total_steps=64")
    assert "env=generic" in ended.out and "fits it" in ended.out


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["env=pendulum", "env.entry_point=a:B"], ["env.id=Pendulum-v1", "env=generic env.entry_point=a:B"]),
        (["env=generic", "env.id=CartPole-v1", "env.entry_point=a:B"], ["env.id=CartPole-v1", "give one of the two"]),
        (["env=generic", "env.entry_point=nowhere_at_all:B"], ["env.entry_point=nowhere_at_all:B", "PYTHONPATH"]),
        (["env.entry_point=json:dumps"], ["env.entry_point=json:dumps", "TypeError"]),
        (["env.entry_point=json:JSONDecoder"], ["JSONDecoder is no environment"]),
        (["env.entry_point=MyEnv"], ["env.entry_point=MyEnv", "must be module:Name"]),
        (["env.wrappers=gymnasium.wrappers.ClipAction"], ["env.wrappers"]),
        (["env.wrappers={wrapper:a.B}"], ["env.wrappers"]),
        (["env.wrappers=[ClipAction]"], ["env.wrappers[0]=ClipAction", "gymnasium.wrappers.TimeAwareObservation"]),
        (["env.wrappers=[gymnasium.wrappers.FrameStack]"], ["did you mean gymnasium.wrappers.FrameStackObservation"]),
        (["env.wrappers=[gymnasium.wrappers.NormalizeReward]"], ["env.wrappers[0]=", "normalize.reward=true"]),
        (["env.wrappers=[{wrapper:gymnasium.wrappers.TimeLimit,max_episode_steps:9}]"], ["env.kwargs.max_episode_st"]),
        (["+env.kwargs.wrappers=[]"], ["env.kwargs.wrappers", "env.wrappers puts wrappers around each copy"]),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(words, named, train_py, tmp_path):
    ended = train_py(*words)
    ended.refused(*named)
    assert list(tmp_path.glob("runs/**/*")) == []
