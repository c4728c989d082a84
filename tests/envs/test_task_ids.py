"""Which task an id means: its version, its module, and who registered it."""

import importlib
import sys

import gymnasium as gym
import pytest

from rl_decay.config.schema import Env
from rl_decay.envs import task_ids
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import make_env
from rl_decay.envs.modules import look_in
from rl_decay.envs.task_ids import with_version
from rl_decay.errors import UserError

MODULE = """
import gymnasium as gym

gym.register("{name}/Slow-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv")
gym.register("{name}/Slow-v3", "gymnasium.envs.classic_control.cartpole:CartPoleEnv")
gym.register("{name}/Bare", "gymnasium.envs.classic_control.cartpole:CartPoleEnv")
{more}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module that registers tasks into a folder: module(name, *more lines) -> the folder."""

    def write(name, *more):
        (tmp_path / f"{name}.py").write_text(MODULE.format(name=name, more="\n".join(more)))
        return tmp_path

    monkeypatch.setattr(sys, "path", sys.path[:])
    before, known = set(sys.modules), dict(gym.registry)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]
    gym.registry.clear()
    gym.registry.update(known)


def refused(env_id):
    lines = set()
    for make in (make_env, lambda env: GymnasiumVec(env, 1)):
        with pytest.raises(UserError) as raised:
            make(Env(id=env_id))
        lines.add(str(raised.value))
    (line,) = lines
    assert line.startswith(f"env.id={env_id}: ") and "\n" not in line
    return line


@pytest.mark.parametrize(
    ("typed", "full"),
    [
        ("Hopper", "Hopper-v5"),
        ("CartPole", "CartPole-v1"),
        ("CartPole-v0", "CartPole-v0"),  # an older one is what was asked for
        ("tests/Push", "tests/Push-v0"),
        ("NoSuchTask", "NoSuchTask"),
        ("not an id", "not an id"),
        ("no_such_module:Task", "no_such_module:Task"),
    ],
)
def test_an_id_without_version_means_the_newest(typed, full):
    assert with_version(typed) == full


def test_the_version_of_a_modules_task(module):
    sys.path.append(str(module("some_tasks")))
    assert with_version("some_tasks:some_tasks/Slow") == "some_tasks:some_tasks/Slow-v3"
    assert with_version("some_tasks:some_tasks/Bare") == "some_tasks:some_tasks/Bare"
    make_env(Env(id="some_tasks:some_tasks/Slow-v3")).close()


def test_a_task_of_gymnasium_is_not_a_modules(module):
    sys.path.append(str(module("fast_tasks")))
    line = refused("fast_tasks:CartPole-v1")
    assert "the module fast_tasks registers no task CartPole-v1, which is a task of Gymnasium" in line
    assert line.endswith("write env.id=CartPole-v1")


def test_a_module_may_register_a_task_of_that_name_itself(module):
    own = 'gym.register("CartPole-v1", "gymnasium.envs.classic_control.cartpole:CartPoleEnv", max_episode_steps=7)'
    sys.path.append(str(module("own_tasks", own)))
    with pytest.warns(UserWarning, match="Overriding environment CartPole-v1"):
        copy = make_env(Env(id="own_tasks:CartPole-v1"))
    assert copy.spec is not None and copy.spec.max_episode_steps == 7
    copy.close()


def test_a_module_that_was_imported_before_has_registered_its_task_itself(module):
    """Also where this process met the module's task before any room of ours was imported."""
    more = "class Own(CartPoleEnv): pass", 'gym.register("Own-v0", "known_tasks:Own")', 'gym.register("Kind-v0", Own)'
    sys.path.append(
        str(module("known_tasks", "from gymnasium.envs.classic_control.cartpole import CartPoleEnv", *more))
    )
    importlib.import_module("known_tasks")
    importlib.reload(task_ids)
    for name in ("known_tasks/Slow-v3", "Own-v0", "Kind-v0"):
        make_env(Env(id=f"known_tasks:{name}")).close()
    assert "CartPole-v1" in task_ids.GYMNASIUM_TASKS


def test_a_task_that_a_module_does_not_register_is_named(module):
    sys.path.append(str(module("few_tasks")))
    assert "the module few_tasks registers no task Other-v0" in refused("few_tasks:Other-v0")


@pytest.mark.parametrize(
    ("typed", "prefix"),
    [("ALE/Pong-v5", "ale_py:ALE/Pong-v5"), ("Nowhere/Task-v0", "<module>:Nowhere/Task-v0")],
)
def test_an_unknown_namespace_names_the_prefix(typed, prefix):
    assert f"env.id={prefix}" in refused(typed)


def test_a_module_that_is_missing_names_the_way_out():
    line = refused("no_such_module.tasks:Task-v0")
    assert "no module no_such_module" in line and "PYTHONPATH=<folder>" in line


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library' (line 8 of "),
        ("1 / 0", "ZeroDivisionError: division by zero (line 8 of "),
        ("raise SystemExit('no licence')", "SystemExit: no licence (line 8 of "),
    ],
)
def test_a_module_that_cannot_be_imported_names_its_line(module, line, words):
    sys.path.append(str(module("broken_tasks", "", line)))
    with pytest.raises(UserError) as raised:
        make_env(Env(id="broken_tasks:Task-v0"))
    assert f"its module cannot be imported: {words}broken_tasks.py)" in str(raised.value)
    assert with_version("broken_tasks:Task") == "broken_tasks:Task"


def test_a_module_is_looked_for_in_a_folder_after_all_other_places(module):
    folder = module("here_tasks")
    (folder / "json.py").write_text("raise AssertionError('not Python\\'s own')")
    for name in ("json", "gymnasium", "nowhere_tasks", ""):
        look_in(folder, name)
    assert str(folder) not in sys.path
    look_in(folder, "here_tasks.inner")
    assert sys.path[-1] == str(folder)
    make_env(Env(id="here_tasks:here_tasks/Slow-v3")).close()


def test_a_render_mode_that_a_run_recorded_gives_way_to_the_videos():
    copy = make_env(Env(id="CartPole-v1", kwargs={"render_mode": "ansi"}), render_mode="rgb_array")
    assert copy.render_mode == "rgb_array"
    copy.close()
