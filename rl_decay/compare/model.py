"""What travels from the loader to the report. Arrays are float64; an undefined number is NaN."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

OWN = "rl_decay"  # the source of our runs
EVALUATION, TRAINING = "evaluation", "training"  # the kinds of scores that a curve can hold
TRAIN_PY, PYTHON = "train.py", "Python"  # the two ways to start a run of ours
ENDPOINTS = ("osc_late", "final")  # the confirmatory ones

Points = tuple[np.ndarray, np.ndarray]  # env steps [K], values [K]


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run that finished or diverged, whichever program trained it.

    The differences between programs are settled in `reading`: no other room asks for a run's source, except to name it.
    """

    folder: Path
    task: str
    seed: int
    config: Mapping[str, Any]  # flat; of another program's run only the part that its files reveal
    status: str  # finished or diverged (all others are `Unfinished`)
    total_steps: int  # env steps that were asked for, in whole iterations
    unit: str  # of `scores`: score | return
    steps: np.ndarray  # [K] env steps of the evaluations, or of the points of the training returns
    scores: np.ndarray  # [K] mean score or return there
    rates: Mapping[str, Points]  # actor, critic -> its rate over the env steps
    versions: Mapping[str, str | None]
    overrides: tuple[str, ...]
    source: str  # OWN, cleanrl or sb3
    notes: tuple[str, ...]  # of its summary.json: warnings for whoever reads the results
    kind: str  # EVALUATION, or TRAINING: returns of the exploring policy, which do not measure oscillation
    identity: Mapping[str, Any]  # the keys that separate arms; never the seed
    protocol: Mapping[str, Any]  # the keys that must be equal in all runs of a comparison
    constant: bool  # whether neither rate decays
    started_by: str  # TRAIN_PY or PYTHON; "" for another program, whose command is unknown
    metrics: Mapping[str, float]  # every metric of this curve


@dataclass(frozen=True)
class Unfinished:
    """A run that is listed but not compared."""

    folder: Path
    status: str
    progress: float  # share of its env steps
    reason: str


@dataclass(frozen=True)
class Arm:
    """Runs equal in every key but the seed, ordered by seed; `values` are the keys in which the arms differ."""

    name: str
    runs: tuple[Run, ...]
    values: Mapping[str, Any]


def all_runs(arms: Iterable[Arm]) -> list[Run]:
    """The runs of all arms, arm by arm."""
    return list(chain.from_iterable(arm.runs for arm in arms))


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; NaN bounds where one seed (or none) allows no interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """One arm against the baseline on one endpoint, paired by seed.

    effect       IQM of the paired differences: log((osc_a + 0.005) / (osc_b + 0.005)) for osc_late, a - b for final
    p, p_holm    sign-flip p-value, and after Holm's step-down over the family; NaN without pairs
    improvement  P(arm better than baseline), over all pairs of runs, ties half
    detectable   the size of effect (same unit) that these pairs would have found with power 0.8 at the uncorrected 0.05
    correlation  Pearson correlation of the two arms over the paired seeds; NaN where undefined
    """

    arm: str
    endpoint: str
    pairs: int
    effect: Estimate
    p: float
    p_holm: float
    improvement: Estimate
    detectable: float
    correlation: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Every number and name that a report prints.

    The runs in `arms` carry the metrics that they count: for diverged runs the worst values (scoring.py).
    """

    tasks: tuple[str, ...]
    unit: str
    arms: tuple[Arm, ...]
    baseline: str
    estimates: Mapping[str, Mapping[str, Estimate]]  # arm -> metric -> estimate
    contrasts: tuple[Contrast, ...]  # confirmatory: (arms - 1) x ENDPOINTS
    exploratory: tuple[Contrast, ...]  # the other metrics, no p_holm
    differences: Mapping[str, Mapping[str, Any]]  # key -> {arm: value}: how the arms' configurations differ
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]  # arm -> steps, mean, low, high: [K]
    across: Mapping[str, Mapping[str, float]]  # arm -> how much its runs differ from each other
    notes: tuple[str, ...] = ()  # warnings for the reader: too few pairs, seeds without partner, foreign runs ...
    # The analysis leaves the rest empty: only the command knows which folders it read and how.
    unfinished: tuple[Unfinished, ...] = ()
    skipped: tuple[str, ...] = ()  # damaged files and the like, one line each
    commands: tuple[str, ...] = ()  # the exact commands that made the runs, and the one that made this report
    versions: Mapping[str, str] = field(default_factory=dict)

    def is_measured(self, metric: str) -> bool:
        """Whether any arm has a number in a metric."""
        of_arms = [estimates[metric].value for estimates in self.estimates.values() if metric in estimates]
        return not all(map(math.isnan, of_arms))
