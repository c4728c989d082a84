"""Translation between a task's own spaces and the flat arrays of the networks."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from rl_decay.envs.observations import Flattening
from rl_decay.errors import UserError, one_line
from rl_decay.types import Spaces

REASONS = {  # why an action space is refused
    Dict: "a policy has one distribution, and the parts of a Dict may need several",
    Tuple: "a policy has one distribution, and the parts of a Tuple may need several",
    Box: "whole numbers cannot be drawn from a normal distribution; a MultiDiscrete space has a start for them",
}


class Codec:
    """Observations to flat float32 rows, flat actions to the task's own.

    Observations are flattened as `gymnasium.spaces.flatten` does it: Dict and Tuple part by part, numbers of Discrete
    and MultiDiscrete one-hot. Discrete actions are 0..A-1 here, whatever the space's own start, and so is each
    component of a MultiDiscrete or MultiBinary one. Box actions are clipped to their bounds only on the way into the
    environment, so that the policy's own action is the one that is stored. With `rescale` they are clipped to [-1, 1]
    and mapped onto the bounds, with `squash` = "tanh" their tanh is: low + (tanh(a) + 1) / 2 * (high - low). The bounds
    must then be finite.
    """

    def __init__(
        self, env_id: str, obs_space: gym.Space, action_space: gym.Space, *, rescale: bool, squash: str = "none"
    ):
        self.obs_space = obs_space
        self.action_space = action_space
        self.rescale = rescale
        self.squash = squash
        _require_elements(env_id, action_space)
        self.flattening = Flattening(env_id, obs_space)
        self.encode = self.flattening.encode
        self.spaces = _spaces(env_id, self.flattening.size, action_space)
        if rescale:
            _require_finite_bounds("env.rescale_actions=true", env_id, action_space, "env.rescale_actions=false")
        if squash != "none":
            _require_finite_bounds(f"net.squash={squash}", env_id, action_space, "net.squash=none")

    def decode(self, actions: np.ndarray) -> np.ndarray:
        """The task's own actions [S, ...] from flat actions: [S] or [S, C] int64, or [S, A] float32."""
        space = self.action_space
        if isinstance(space, Discrete):
            return actions + space.start
        assert isinstance(space, (Box, MultiDiscrete, MultiBinary))
        shaped = actions.reshape(len(actions), *space.shape)
        if not isinstance(space, Box):
            first = space.start if isinstance(space, MultiDiscrete) else 0
            return (shaped + first).astype(space.dtype)
        if self.squash == "tanh":
            # Only here. Ratio and KL compare the same action under two policies, and the Jacobian of tanh cancels in
            # them, so that training never needs it, nor the inverse of tanh.
            shaped = _onto_bounds(np.tanh(shaped), space)
        elif self.rescale:
            shaped = _onto_bounds(np.clip(shaped, -1, 1), space)
        # After the mapping, too: a rounded number may lie just outside the bounds.
        return np.clip(shaped, space.low, space.high).astype(space.dtype)


def _onto_bounds(numbers: np.ndarray, space: Box) -> np.ndarray:
    """Numbers in [-1, 1], mapped onto the bounds of an action space."""
    share = (numbers + 1) * 0.5
    return space.low + share * (space.high - space.low)


def _require_finite_bounds(setting: str, env_id: str, space: gym.Space, way_out: str) -> None:
    """UserError, which names the setting, unless [-1, 1] can be mapped onto the bounds of an action space."""
    problem = None
    if not isinstance(space, Box):
        problem = "without finite bounds to map onto"
    elif not space.is_bounded():
        problem = f"without finite bounds to map onto ({_first_open_bounds(space)})"
    else:
        with np.errstate(over="ignore"):  # an overflow is the answer here
            if not np.isfinite(space.high - space.low).all():
                problem = f"whose bounds lie too far apart to be mapped onto in {space.dtype}"
    if problem:
        raise UserError(f"{setting}: {env_id} has the action space {one_line(space)}, {problem}; set {way_out}")


def _first_open_bounds(space: Box) -> str:
    """The first component with an infinite bound, and both its bounds, in words."""
    low = space.low.ravel()
    high = space.high.ravel()
    component = int(np.argmax(~(np.isfinite(low) & np.isfinite(high))))
    return f"component {component} lies in [{low[component]:g}, {high[component]:g}]"


def _require_elements(env_id: str, space: gym.Space) -> None:
    """UserError for an action space without a single number."""
    if isinstance(space, (Box, MultiDiscrete)) and np.prod(space.shape) == 0:
        words = f"action space {one_line(space)}"
        raise UserError(f"env.id={env_id}: {words} has no elements; choose a task with at least one")


def _spaces(env_id: str, obs_size: int, action: gym.Space) -> Spaces:
    """Sizes of a task's flat observation and action; UserError for an action space that is not supported."""
    if isinstance(action, Discrete):
        return Spaces(obs_size, int(action.n), continuous=False)
    if isinstance(action, Box) and np.issubdtype(action.dtype, np.floating):
        return Spaces(obs_size, int(np.prod(action.shape)), continuous=True)
    if isinstance(action, (MultiDiscrete, MultiBinary)):
        options = action.nvec if isinstance(action, MultiDiscrete) else np.full(action.shape, 2)
        nvec = tuple(np.ravel(options).tolist())
        return Spaces(obs_size, sum(nvec), continuous=False, nvec=nvec)
    kind = next((kind for kind in REASONS if isinstance(action, kind)), None)
    reason = f" ({REASONS[kind]})" if kind else ""
    raise UserError(
        f"env.id={env_id}: action space {one_line(action)} is not supported{reason}; choose a task with a float Box, "
        "Discrete, MultiDiscrete or MultiBinary one, or put a wrapper around the task"
    )
