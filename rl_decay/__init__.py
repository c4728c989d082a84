"""rl_decay: PPO with its own learning-rate schedule for actor and critic.

    import rl_decay
    result = rl_decay.train(rl_decay.Config(total_steps=100_000), "runs/mine")
    policy = rl_decay.load_policy("runs/mine")

Importing this costs nothing; what needs PyTorch is imported when it is first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Equal bits for every member need the same matmul kernels whatever the alignment. Read at the first matmul only.
os.environ.setdefault("MKL_CBWR", "AUTO")

if TYPE_CHECKING:
    from rl_decay.config.schema import Config
    from rl_decay.errors import UserError
    from rl_decay.evaluate.policy import load_policy
    from rl_decay.training.population import Result, train

__all__ = ["Config", "Result", "UserError", "load_policy", "train"]
_HOMES = {
    "Config": "rl_decay.config.schema",
    "Result": "rl_decay.training.population",
    "UserError": "rl_decay.errors",
    "load_policy": "rl_decay.evaluate.policy",
    "train": "rl_decay.training.population",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'rl_decay' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
