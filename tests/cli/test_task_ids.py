"""`env.id=...` on the command line: without its version, and of a module that lies in the current folder."""

import json
import sys

import gymnasium as gym
import pytest
from trained import train_configs

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.runs.summary import read_summary, write_summary

ENV = 'gym.register("{0}-v2", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=20)\n'


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module in the current folder of the command that registers `nearby/Task-v2`."""
    (tmp_path / "nearby_tasks.py").write_text("import gymnasium as gym\n" + ENV.format("nearby/Task"))
    monkeypatch.setattr(sys, "path", sys.path[:])
    yield "nearby_tasks:nearby/Task"
    sys.modules.pop("nearby_tasks", None)
    gym.registry.pop("nearby/Task-v2", None)


def test_a_task_is_recorded_with_its_version(train_py, small, tmp_path):
    assert train_py("env=generic", *small, "env.id=CartPole", "total_steps=64", "hydra.run.dir=mine").code == 0
    said = read_summary(tmp_path / "mine")
    assert said["env_id"] == said["config"]["env.id"] == "CartPole-v1"
    assert said["unit"] == "score"


def test_both_words_for_a_task_are_one_experiment(configure, tmp_path):
    prints = []
    for name in ("Push", "Push-v0"):
        config = configure(env__id=f"tests/{name}")
        (result,) = train_configs([config], [tmp_path / name])
        prints.append(result.summary["fingerprint"])
    assert prints == [fingerprint(experiment_values(configure(env__id="tests/Push-v0")))] * 2


@pytest.mark.filterwarnings("ignore:.*Using the latest versioned environment")
def test_a_run_that_was_recorded_without_version_stays_what_it_was(configure, tmp_path):
    config = configure(env__id="tests/Push-v0")
    (result,) = train_configs([config], [tmp_path / "mine"])
    old = {**result.summary, "status": "interrupted", "config": flat(config) | {"env.id": "tests/Push"}}
    (tmp_path / "mine" / "checkpoints" / "latest.pt").unlink()
    write_summary(tmp_path / "mine", old)
    config = configure(env__id="tests/Push", resume="auto")
    (again,) = train_configs([config], [tmp_path / "mine"])
    assert again.status == "finished" and again.summary["env_id"] == "tests/Push"


def test_a_module_in_the_current_folder_is_found(train_py, small, module, tmp_path):
    ended = train_py("env=generic", *small, f"env.id={module}", "total_steps=64", "hydra.run.dir=mine")
    assert ended.code == 0, ended.err
    assert json.loads((tmp_path / "mine" / "summary.json").read_text())["env_id"] == f"{module}-v2"


def test_from_python_the_current_folder_is_no_place_to_look(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.env.id = f"{module}-v2"
    with pytest.raises(UserError, match="no module nearby_tasks is installed"):
        train_configs([config], [tmp_path / "mine"])
    assert str(tmp_path) not in sys.path


def test_a_render_mode_is_refused_before_training(train_py, tmp_path):
    train_py("env.kwargs.render_mode=rgb_array", "hydra.run.dir=mine").refused("env.kwargs.render_mode", "--video")
    assert not (tmp_path / "mine").exists()
