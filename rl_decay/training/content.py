"""What a checkpoint may hold: bounded and plain, with the names, shapes and types that its run would have saved.

A SHA-256 says that a file is as somebody saved it, not that the somebody was this program.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rl_decay.config.kinds import Fields, Whole, kind_problem
from rl_decay.runs.layout import EVALUATIONS_CSV, EVENTS, METRICS_CSV
from rl_decay.types import Spaces

# Nodes of a checkpoint: tensors, plain values, dicts and lists. Ours have about 1,000, and a few more per event file.
MAX_NODES = 50_000
PLAIN = (str, int, float, type(None))
RUN = Fields(
    {
        "files": Fields({METRICS_CSV: Whole(0), EVALUATIONS_CSV: Whole(0)}),
        **dict.fromkeys(("iterations", "valid_steps"), Whole(0)),
        "wall_seconds": float,
        "last_returns": list[float],
    }
)
SPACES = Fields({"obs_size": Whole(1), "num_actions": Whole(1), "continuous": bool}, {"nvec": list[int]})
CONTENT = Fields(
    {"config": dict[str, Any], "spaces": SPACES, "iteration": Whole(1), "agent": dict[str, Any]},
    {
        "fingerprint": str,
        "run": RUN,
        "evaluation_cap": Whole(1, or_null=True),
        **dict.fromkeys(("actions", "digests"), Tensor | None),
    },
)
EVENT_FILE = re.compile(re.escape(EVENTS) + r"\d{1,12}(\.[^/\x00]*)?")


class Shape(NamedTuple):
    """A tensor without its numbers."""

    sizes: tuple[int, ...]
    dtype: torch.dtype = torch.float32


def check_size(content: Any, size: int) -> None:
    """ValueError unless a value is made of dicts, lists, plain values and dense tensors that fit into `size` bytes.

    The file decides the time that it takes, not the value: a tensor of a trillion elements may lie on four bytes (all
    strides 0), and a list that holds another one twice, thirty deep, has a billion elements.
    """
    values, waiting = 0, [content]
    while waiting:
        value = waiting.pop()
        values += 1
        if isinstance(value, Tensor):
            if type(value) is not Tensor or value.layout is not torch.strided or value.device.type != "cpu":
                raise ValueError("a tensor of another kind")
            size -= value.numel() * value.element_size()
        elif isinstance(value, (dict, list, tuple)):
            if values + len(waiting) + len(value) > MAX_NODES:
                raise ValueError("too many values")
            waiting += value.values() if isinstance(value, dict) else value
        elif not isinstance(value, PLAIN):
            raise ValueError("a value of another kind")
        if size < 0:
            raise ValueError("tensors larger than their file")


def content_problem(content: dict[str, Any]) -> str | None:
    """Why the parts of a checkpoint cannot be used, whatever its run; None if they can."""
    if problem := kind_problem(content, CONTENT):
        return problem
    run = content.get("run")
    if run is None:
        return None
    for name in run["files"]:  # these files are cut back to the lengths given, so nothing else may be among them
        if name not in (METRICS_CSV, EVALUATIONS_CSV) and not EVENT_FILE.fullmatch(name):
            return f"run.files names {name!r}, which is no file of a run"
    if problem := kind_problem(run["files"], dict[str, int], "run.files"):
        return problem
    if min(*run["files"].values(), run["wall_seconds"]) < 0 or run["iterations"] != content["iteration"]:
        return "its lengths, times and counts contradict each other"
    return None


def shapes(state: Any) -> Any:
    """The shapes of nested dicts of tensors."""
    if isinstance(state, dict):
        return {key: shapes(value) for key, value in state.items()}
    return Shape(tuple(state.shape), state.dtype)


def shape_problem(state: Any, expected: Any, name: str, exact: bool = True) -> str | None:
    """Which part of nested dicts of tensors has another shape than expected, in words; None if none has.

    Unless `exact`, there may be more parts than expected.
    """
    if isinstance(expected, Shape):
        return None if isinstance(state, Tensor) and shapes(state) == expected else f"{name} is not {_words(expected)}"
    if not isinstance(state, dict) or expected.keys() - state.keys():
        return f"{name} has not the parts {', '.join(expected)}"
    if exact and state.keys() - expected.keys():
        return f"{name} has other parts than {', '.join(expected)}"
    for key, part in expected.items():
        if problem := shape_problem(state[key], part, f"{name}.{key}", exact):
            return problem
    return None


def actions_problem(actions: Tensor | None, steps: int, num_envs: int, spaces: Spaces) -> str | None:
    """Why these cannot be the actions [t, N(, C or A)] of the t = `steps` since a segment's start; None if they can."""
    if steps == 0:
        return None if actions is None else "there are actions, where a segment has not begun"
    components = [len(spaces.nvec)] if spaces.nvec else []
    expected = Shape((steps, num_envs, *components), torch.uint8 if spaces.one_byte else torch.int64)
    if spaces.continuous:
        expected = Shape((steps, num_envs, spaces.num_actions))
    if actions is None or shapes(actions) != expected:
        return f"actions is not {_words(expected)}"
    if spaces.continuous:
        return None if actions.isfinite().all() else "actions are not finite"
    options = torch.tensor(spaces.nvec or spaces.num_actions, dtype=torch.int64, device="cpu")
    return None if ((actions >= 0) & (actions < options)).all() else "actions are out of range"


def digests_problem(digests: Tensor | None, steps: int) -> str | None:
    """Why these cannot be the digests [1 + t] of a segment's t = `steps`; None if they can, or if there are none."""
    expected = Shape((1 + steps,), torch.int32)
    return None if digests is None or shapes(digests) == expected else f"digests is not {_words(expected)}"


def _words(expected: Shape) -> str:
    return f"a {str(expected.dtype).removeprefix('torch.')} tensor of shape {expected.sizes}"
