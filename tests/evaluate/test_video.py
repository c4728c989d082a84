"""--video: an episode is played to its end or to a bound, and only the frames that are kept are rendered."""

import os
import sys
from typing import ClassVar

import gymnasium as gym
import gymnasium.envs.mujoco.mujoco_rendering
import numpy as np
import pytest
from gymnasium.spaces import Box

from rl_decay.config.schema import Env
from rl_decay.envs.drawing import MUJOCO_GL, SCREENS, without_screen
from rl_decay.errors import UserError
from rl_decay.evaluate.video import Film, render


class Filmed(gym.Env):
    """A task that shows its step as the shade of its picture; without end, unless it has a `length`."""

    renders: ClassVar[list[int]] = []
    metadata: ClassVar[dict] = {"render_modes": ["rgb_array"], "render_fps": 30}
    observation_space = Box(-1, 1, (1,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode=None, length=None, fps=30, fault=None):
        self.render_mode, self.length, self.fault = render_mode, length, fault
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": fps}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.fault == "step" and self.steps == 200:
            raise RuntimeError("out of fuel")
        return np.zeros(1, np.float32), [0.5], self.steps == self.length, False, {}

    def render(self):
        Filmed.renders.append(self.steps)
        return None if self.fault == "no picture" else np.full((4, 4, 3), self.steps % 256, np.uint8)


gym.register("tests/Filmed-v0", Filmed, disable_env_checker=True)
gym.register("tests/FilmedLimit-v0", Filmed, disable_env_checker=True, max_episode_steps=40)


class Idle:
    """A policy that does nothing."""

    evaluation_cap = None
    squash = "none"

    def __init__(self, env_id="tests/Filmed-v0", **kwargs):
        self.env = Env(id=env_id, kwargs=kwargs)

    def __call__(self, obs):
        return np.zeros(1, np.float32)


@pytest.fixture
def written(monkeypatch):
    """Stand in for moviepy; returns what was written: (number of frames, frames per second) of each video."""
    videos = []

    class Clip:
        def __init__(self, frames, fps):
            self.video = len(frames), fps

        def write_videofile(self, path, logger):
            videos.append(self.video)

    module = type(sys)("clip")
    module.ImageSequenceClip = Clip
    monkeypatch.setitem(sys.modules, "moviepy.video.io.ImageSequenceClip", module)
    Filmed.renders.clear()
    return videos


def test_a_whole_episode(written, tmp_path):
    film = render(Idle(length=12), tmp_path / "a.mp4", seed=0)
    assert film == Film(12, 6.0, cut=False)  # the reward is a list of one number, 0.5
    assert written == [(13, 30)]


@pytest.mark.parametrize(
    ("policy", "bound", "steps"),
    [
        (Idle(), None, 1000),
        (Idle(), 25, 25),
        (Idle("tests/FilmedLimit-v0"), 25, 25),
    ],
    ids=["no limit", "asked", "less than the limit"],
)
def test_an_episode_that_does_not_end_is_cut(written, tmp_path, policy, bound, steps):
    film = render(policy, tmp_path / "a.mp4", 0, bound)
    assert (film.steps, film.cut) == (steps, True)
    assert written == [(1 + steps, 30)]


def test_the_time_limit_is_no_cut(written, tmp_path):
    assert render(Idle("tests/FilmedLimit-v0"), tmp_path / "a.mp4", 0) == Film(40, 20.0, cut=False)


@pytest.mark.filterwarnings("ignore:.*The reward returned by")  # of Gymnasium's checker: it is a list
@pytest.mark.parametrize("registered", [True, False])
def test_the_wrapped_task_is_filmed(registered, written, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "filmed_tasks", sys.modules[__name__])
    seen = []

    class Watching(Idle):
        def __call__(self, obs):
            seen.append(obs[-1])  # steps since the reset
            return super().__call__(obs)

    policy, wrappers = Watching(), ["gymnasium.wrappers.TimeAwareObservation"]
    if registered:
        policy.env = Env(id="tests/FilmedLimit-v0", wrappers=wrappers)
    else:
        named = "filmed_tasks:Filmed"
        policy.env = Env(id=named, entry_point=named, wrappers=wrappers, kwargs={"max_episode_steps": 40})
    assert render(policy, tmp_path / "a.mp4", 0) == Film(40, 20.0, cut=False)
    assert seen == list(range(40))


def test_frames_that_are_not_kept_are_not_rendered(written, tmp_path):
    # 90 steps a second, 30 frames a second: steps 0, 3, 6, 9 and the last, 10
    render(Idle(length=10, fps=90), tmp_path / "a.mp4", 0)
    assert Filmed.renders == [0, 3, 6, 9, 10]
    assert written == [(5, 30)]


def test_a_slow_rendering_says_how_far_it_is(written, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("rl_decay.evaluate.video.SILENCE", -1.0)
    render(Idle(length=3), tmp_path / "a.mp4", 0, 7)
    assert "rendering: step 2 of at most 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("step", r"its step failed with RuntimeError: out of fuel \(line \d+ of test_video.py\)"),
        ("no picture", "NoneType"),
    ],
)
def test_a_task_that_cannot_be_filmed_is_named(written, tmp_path, fault, words):
    with pytest.raises(UserError, match=f"--video: tests/Filmed-v0.*{words}"):
        render(Idle(fault=fault), tmp_path / "a.mp4", 0)
    assert written == []


@pytest.fixture
def headless(monkeypatch):
    """No screen, and no choice of the person's."""
    for name in (*SCREENS, MUJOCO_GL, "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


class Still(Idle):
    """A policy that always acts alike."""

    def __init__(self, env_id, action):
        super().__init__(env_id)
        self.action = action

    def __call__(self, obs):
        return self.action


@pytest.mark.parametrize(
    "policy",
    [Still("CartPole-v1", 0), Still("LunarLander-v3", 0), Still("BipedalWalker-v3", np.zeros(4, np.float32))],
    ids=lambda policy: policy.env.id,
)
def test_no_screen_is_needed(policy, written, headless, tmp_path):
    assert render(policy, tmp_path / "a.mp4", 0, 4).steps == 4
    assert written[0][0] >= 3
    assert "SDL_VIDEODRIVER" not in os.environ


def test_mujoco_is_filmed_or_says_what_is_missing(written, headless, tmp_path):
    policy = Still("InvertedPendulum-v5", np.zeros(1, np.float32))
    with without_screen():
        has_library = MUJOCO_GL in os.environ
    if has_library:
        assert render(policy, tmp_path / "a.mp4", 0, 4).steps == 4
        assert written[0][0] >= 3
    else:
        with pytest.raises(UserError, match=r"cannot be rendered: .*MUJOCO_GL=egl .*libegl1.*libosmesa6"):
            render(policy, tmp_path / "a.mp4", 0, 4)


def test_a_library_that_does_not_draw_is_said(written, headless, tmp_path, monkeypatch):
    def broken(width, height):
        raise ImportError("Cannot initialize a EGL device display")

    monkeypatch.setenv(MUJOCO_GL, "egl")
    monkeypatch.setitem(gymnasium.envs.mujoco.mujoco_rendering._ALL_RENDERERS, "egl", broken)
    policy = Still("InvertedPendulum-v5", np.zeros(1, np.float32))
    with pytest.raises(UserError, match=r"device display.*MUJOCO_GL=egl does not work here.*libosmesa6") as error:
        render(policy, tmp_path / "a.mp4", 0, 4)
    assert "\n" not in str(error.value) and written == []
