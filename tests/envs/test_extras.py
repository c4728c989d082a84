"""A task whose packages are missing is refused with the command that installs them."""

import importlib.util

import pytest

from rl_decay.config.schema import Env
from rl_decay.envs import extras
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError


@pytest.mark.parametrize(
    "env_id, missing, extra",
    [
        ("HalfCheetah-v5", "mujoco", "mujoco"),
        ("Hopper-v5", "imageio", "mujoco"),
        ("LunarLander-v3", "Box2D", "box2d"),
        ("shimmy:dm_control/cheetah-run-v0", "dm_control", "dmc"),
        ("shimmy:dm_control/cheetah-run-v0", "shimmy", "dmc"),
    ],
)
def test_a_missing_package_is_answered_with_the_pip_command(monkeypatch, env_id, missing, extra):
    def find(name):
        return None if name == missing else importlib.util.find_spec("json")

    monkeypatch.setattr(extras, "find_spec", find)
    with pytest.raises(UserError) as error:
        make_env(Env(id=env_id))
    assert str(error.value) == (
        f"env.id={env_id}: {missing} is not installed; it comes with the extra `{extra}`: "
        f"pip install -c constraints.txt -e '.[{extra}]'"
    )


def test_other_tasks_need_nothing(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    make_env(Env(id="CartPole-v1")).close()
