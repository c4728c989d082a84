"""Run folders in, an honest comparison of their schedules out; never torch, never Hydra.

model         what travels between the rooms below
reading       folders -> runs with their metrics: own.py for this program, foreign.py for CleanRL and Stable-Baselines3
analysis      runs -> arms -> intervals and tests -> the comparison
figures       the comparison as PNG files (needs matplotlib)
report        the comparison as HTML, Markdown, CSV and TensorBoard runs
command       all of it in order: what `python -m rl_decay.compare` does, and a sweep at its end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl_decay.compare.command import Options, after_sweep, run

__all__ = ["Options", "after_sweep", "run"]


def __getattr__(name: str) -> Any:
    """Import `command` on first use: `train.py` imports this package, and most trainings end without a comparison."""
    if name not in __all__:
        raise AttributeError(f"module 'rl_decay.compare' has no attribute {name!r}")
    from rl_decay.compare import command

    return getattr(command, name)
