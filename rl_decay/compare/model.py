"""What travels from the loader to the report. Arrays are float64; what is undefined is NaN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

OWN = "rl_decay"  # the source of our runs
EVALUATION, TRAINING = "evaluation", "training"  # what the scores of a run are
TRAIN_PY, PYTHON = "train.py", "Python"  # what starts a run of ours
ENDPOINTS = ("osc_late", "final")  # the confirmatory ones


@dataclass(frozen=True)
class Run:
    """One run that ended, as its folder tells it, whichever program trained it.

    What sets the programs apart is decided where a run is read: nobody behind `reading` asks for its source.
    """

    folder: Path
    task: str
    seed: int
    config: Mapping[str, Any]  # flat; of another program's run what is known of it
    status: str  # finished or diverged (others are never compared, see `Unfinished`)
    total_steps: int  # trained env steps asked for, whole iterations
    unit: str  # of `scores`: score | return
    steps: np.ndarray  # [K] env steps of the evaluations, or of the points of the training returns
    scores: np.ndarray  # [K] mean score or return there
    rates: Mapping[str, tuple[np.ndarray, np.ndarray]]  # actor, critic -> (env steps [I], rate [I])
    versions: Mapping[str, str | None]
    overrides: tuple[str, ...]
    source: str = OWN  # or cleanrl, sb3
    notes: tuple[str, ...] = ()  # of its summary.json: what needs a person's attention
    kind: str = EVALUATION  # or TRAINING: returns of the policy that explores, which are no measure of oscillation
    identity: Mapping[str, Any] = field(default_factory=dict)  # what tells its arm from others, the seed aside
    protocol: Mapping[str, Any] = field(default_factory=dict)  # what runs must share to be compared
    constant: bool = False  # whether neither rate decays
    started_by: str = ""  # train.py or Python; "" for another program, whose command is not known
    metrics: Mapping[str, float] = field(default_factory=dict)  # every metric of this curve


@dataclass(frozen=True)
class Unfinished:
    """A run that is listed and not compared: how it stands, how far it got, why."""

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


@dataclass(frozen=True)
class Comparison:
    """Everything a report says. Per arm: {metric: Estimate}; curves: {arm: (steps [K], mean [K], low [K], high [K])}.

    arms carry the metrics of their runs as they were counted, diverged ones with the worst.
    """

    tasks: tuple[str, ...]
    unit: str
    arms: tuple[Arm, ...]
    baseline: str
    estimates: Mapping[str, Mapping[str, Estimate]]
    contrasts: tuple[Contrast, ...]  # confirmatory: (arms - 1) x ENDPOINTS
    exploratory: tuple[Contrast, ...]  # the other metrics, no p_holm
    unfinished: tuple[Unfinished, ...]
    skipped: tuple[str, ...]  # damaged files and the like, one line each
    notes: tuple[str, ...]  # what a reader must know: too few pairs, seeds without partner, foreign runs ...
    differences: Mapping[str, Mapping[str, Any]]  # key -> {arm: value}: how the arms' configurations differ
    commands: tuple[str, ...]  # the exact commands that made the runs, and the one that made this report
    versions: Mapping[str, str]
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=dict)
    across: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # arm -> spread of its runs
