"""Drawing without a screen: who chooses the library, and when MuJoCo's advice is given."""

import os
import sys

import pytest

from rl_decay.config.schema import Env
from rl_decay.envs import drawing
from rl_decay.envs.drawing import ADVICE, MUJOCO_GL, SCREENS, advised, without_screen
from rl_decay.envs.faults import TaskError
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError


@pytest.fixture
def libraries(monkeypatch):
    """Linux without a screen and without choices; returns the set of libraries that are there."""
    for name in (*SCREENS, MUJOCO_GL, "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    present = {"EGL", "OSMesa"}
    monkeypatch.setattr(drawing, "find_library", lambda name: name if name in present else None)
    monkeypatch.setattr(sys, "platform", "linux")
    return present


def chosen():
    with without_screen():
        return os.environ.get(MUJOCO_GL), os.environ.get("SDL_VIDEODRIVER")


def test_the_fastest_library_that_is_there(libraries):
    assert chosen() == ("egl", "dummy")
    libraries.remove("EGL")
    assert chosen() == ("osmesa", "dummy")
    libraries.clear()
    assert chosen() == (None, "dummy")
    assert MUJOCO_GL not in os.environ and "SDL_VIDEODRIVER" not in os.environ  # put back


def test_the_persons_choice_counts(libraries, monkeypatch):
    monkeypatch.setenv(MUJOCO_GL, "osmesa")
    assert chosen() == ("osmesa", "dummy")
    assert os.environ[MUJOCO_GL] == "osmesa"


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_used(libraries, monkeypatch, name):
    monkeypatch.setenv(name, ":0")
    assert chosen() == (None, None)


def test_another_system_needs_nothing(libraries, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert chosen() == (None, None)


def raised_in(path):
    """An error whose innermost frame lies in a file of that name."""
    try:
        exec(compile("raise RuntimeError('no context')", path, "exec"))
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("value", [None, "egl"])
def test_advice_says_what_is_set(libraries, monkeypatch, value):
    error = raised_in("/site-packages/mujoco/egl/__init__.py")
    if value:
        monkeypatch.setenv(MUJOCO_GL, value)
    fault = advised(TaskError("cannot be rendered: no context", "trace"), error)
    words = "MUJOCO_GL=egl does not work here" if value else "MUJOCO_GL is not set"
    assert str(fault) == f"cannot be rendered: no context; {words}; {ADVICE}"
    assert fault.trace == "trace"


def test_other_errors_get_no_advice():
    for path in ("/site-packages/mujoco/__init__.py", "/home/me/my_mujoco_task.py"):
        fault = TaskError("its step failed")
        assert advised(fault, raised_in(path)) is fault


def test_a_library_that_mujoco_fails_on_when_it_is_imported(monkeypatch):
    def fail(*_, **__):
        raise raised_in("/site-packages/mujoco/rendering/classic/gl_context.py")

    monkeypatch.setattr("gymnasium.make", fail)
    monkeypatch.setenv(MUJOCO_GL, "glu")
    with pytest.raises(UserError, match=r"env.id=CartPole-v1: RuntimeError: no context.*=glu does not work here"):
        make_env(Env(id="CartPole-v1"))
