"""Packages that a task needs beside Gymnasium, and the extra of this package that installs them."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import gymnasium as gym

from rl_decay.errors import UserError

# Extra of pyproject.toml -> the modules without which its tasks cannot be made.
MODULES_NEEDED = {
    "mujoco": ("mujoco", "imageio"),  # Gymnasium's MuJoCo tasks import their renderer, and that imageio
    "box2d": ("Box2D",),
    "dmc": ("shimmy", "dm_control"),
}


def require_extra(env_id: str, module: str, name: str) -> None:
    """UserError with the command that installs what is missing for the task `module:name`, if an extra brings it."""
    extra = _extra(module, name)
    if extra is None:
        return
    for needed in MODULES_NEEDED[extra]:
        if find_spec(needed) is None:
            raise UserError(
                f"env.id={env_id}: {needed} is not installed; it comes with the extra `{extra}`: "
                f"pip install -c constraints.txt -e '.[{extra}]'"
            )


def _extra(module: str, name: str) -> str | None:
    """The extra of a task of Gymnasium or DeepMind Control; None for all others."""
    if module == "shimmy" and name.startswith("dm_control/"):
        return "dmc"
    task: Any = gym.registry.get(name)
    entry_point = str(task.entry_point) if task is not None else ""
    for folder, extra in (("mujoco", "mujoco"), ("box2d", "box2d")):
        if entry_point.startswith(f"gymnasium.envs.{folder}"):
            return extra
    return None
