"""Drawing a task where there is no screen: which libraries do it, and what to install where they are missing."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library

from rl_decay.envs.faults import TaskError

MUJOCO_GL = "MUJOCO_GL"  # the variable by which MuJoCo, Gymnasium and dm_control choose how MuJoCo draws
WITHOUT_SCREEN = {"egl": "EGL", "osmesa": "OSMesa"}  # its values for no screen, the faster first -> system library
SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
ADVICE = (
    "MuJoCo draws without a screen by MUJOCO_GL=egl (Debian's libegl1 and libgl1-mesa-dri) or MUJOCO_GL=osmesa "
    "(libosmesa6): install one of them and set that variable"
)
# Folders and files whose code runs only when MuJoCo draws, or gets ready for it.
DRAWING_CODE = (
    "/OpenGL/",
    "/dm_control/_render/",
    "/gymnasium/envs/mujoco/mujoco_rendering.py",
    "/mujoco/egl/",
    "/mujoco/glfw/",
    "/mujoco/osmesa/",
    "/mujoco/rendering/",
)


@contextmanager
def without_screen() -> Iterator[None]:
    """Let tasks draw into memory: on Linux without a screen, and only where the person has not chosen otherwise.

    Without it Gymnasium asks MuJoCo for a window first, and takes a window that failed to open for one that opened.
    """
    chosen = {} if _has_screen() else {"SDL_VIDEODRIVER": "dummy"} | _mujoco_library()
    added = {name: value for name, value in chosen.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with warnings.catch_warnings():
            # MuJoCo's last resort without a library: it warns twice of a missing display before MuJoCo itself fails.
            warnings.filterwarnings("ignore", module="glfw")
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _has_screen() -> bool:
    """Whether windows can be opened, as far as the environment says."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in SCREENS)


def _mujoco_library() -> dict[str, str]:
    """The variable that makes MuJoCo use an installed library; {} if there is none."""
    for value, library in WITHOUT_SCREEN.items():
        if find_library(library):
            return {MUJOCO_GL: value}
    return {}


def advised(fault: TaskError, error: BaseException) -> TaskError:
    """The fault that `error` caused; if it came from code by which MuJoCo draws, with what to install or to set."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [frame.filename.replace(os.sep, "/") for frame in frames]
    if not any(part in file for file in files for part in DRAWING_CODE):
        return fault
    _free_viewers(error)
    value = os.environ.get(MUJOCO_GL)
    now = f"{MUJOCO_GL}={value} does not work here" if value else f"{MUJOCO_GL} is not set"
    return TaskError(f"{fault}; {now}; {ADVICE}", fault.trace)


def _free_viewers(error: BaseException) -> None:
    """Free in silence what the frames of an error hold: a viewer without its context fails again when it is deleted.

    Python would print that second error, of no interest to anybody, when the program ends.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        traceback.clear_frames(error.__traceback__)
    finally:
        sys.unraisablehook = hook
