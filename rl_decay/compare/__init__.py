"""Run folders in, an honest comparison of their schedules out; never torch, never Hydra.

model         what travels between the modules below
load          run folders and sweeps -> runs (measures: their metrics; unfinished: those that are listed only)
foreign       runs of other programs, from their TensorBoard files (event_files)
arms          runs -> arms, one per set of runs that differ in the seed alone
statistics    interquartile means, bootstrap intervals, sign-flip tests: pure functions of arrays
study         arms -> the comparison (scoring: what each run counts; notes; provenance: commands and versions)
plots         the figures (learning_curves, style; curves: runs on one grid of env steps)
report        Markdown, HTML and CSV (contents, verdicts, explained, document, tables)
tensorboard   arms and figures as TensorBoard runs
command       all of it: what `python -m rl_decay.compare` does, and a sweep at its end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rl_decay.compare.command import Options, after_sweep, run

__all__ = ["Options", "after_sweep", "run"]


def __getattr__(name: str) -> Any:
    """What needs everything below is imported when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'rl_decay.compare' has no attribute {name!r}")
    from rl_decay.compare import command

    return getattr(command, name)
