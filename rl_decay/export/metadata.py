"""What the reader of an exported policy must know: the columns of its observations, the meaning of its actions."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from rl_decay.envs.parts import Part
from rl_decay.evaluate.policy import Policy

PACKAGES = ("rl_decay", "torch", "gymnasium", "numpy")


def metadata(policy: Policy) -> dict[str, str]:
    """Texts by name, JSON where a value is no word or number.

    `observation`: the parts of an observation in the order of their columns, each with its path in the task's own
    observation ([] for a space without parts), first column `start`, number of columns `size` and space.
    `action`: kind, shape and type of the task's own actions with `low` and `high`, null where they are unbounded;
    whole numbers lie between them, both included. `action_space` and `env_kwargs` are the task's, `rescale_actions`
    says whether -1 and 1 of the network are the bounds, `squash` by what function it is bent onto
    them. `versions`: of the packages that wrote the file.
    """
    columns = [_column_range(part) for part in policy.codec.flattening.parts]
    return {
        "env_id": policy.env.id,
        "env_kwargs": json.dumps(policy.env.kwargs),
        "observation": json.dumps(columns, default=str),  # str: a key of a Dict may be anything
        "action_space": str(policy.codec.action_space),
        "action": json.dumps(_action(policy.codec.action_space)),
        "rescale_actions": json.dumps(policy.codec.rescale),
        "squash": policy.codec.squash,
        "normalised": json.dumps(policy.config["normalize.obs"]),
        "iteration": str(policy.iteration),
        "fingerprint": policy.fingerprint or "",
        "versions": json.dumps({name: _version(name) for name in PACKAGES}),
    }


def _column_range(part: Part) -> dict[str, Any]:
    """The columns of a part."""
    return {"path": list(part.path), "start": part.start, "size": part.size, "space": str(part.space)}


def _action(space: Any) -> dict[str, Any]:
    """Kind, shape, type and bounds of an action."""
    low, high = _bounds(space)
    return {
        "kind": type(space).__name__,
        "shape": list(space.shape),
        "dtype": "int64" if isinstance(space, Discrete) else str(space.dtype),  # as Codec.decode makes it
        "low": _numbers(low),
        "high": _numbers(high),
    }


def _bounds(space: Box | Discrete | MultiDiscrete | MultiBinary) -> tuple[Any, Any]:
    """The smallest and the largest action, in the shape of an action."""
    if isinstance(space, Box):
        return space.low, space.high
    if isinstance(space, MultiBinary):
        return np.zeros(space.shape, int), np.ones(space.shape, int)
    count = space.n if isinstance(space, Discrete) else space.nvec
    return space.start, space.start + count - 1


def _numbers(bound: Any) -> Any:
    """A bound in nested lists; null for an infinite number, which JSON cannot hold."""
    values = np.asarray(bound)
    listed = values.astype(object)
    listed[~np.isfinite(values)] = None
    return listed.tolist()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # run from its folder, without an installation
        return ""
