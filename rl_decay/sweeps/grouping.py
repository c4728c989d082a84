"""From the jobs of a sweep to populations."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from rl_decay.config.identity import population_keys
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.runs.jobs import write_jobs


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its number in the sweep, what it runs and where."""

    number: int
    config: Config
    folder: Path
    overrides: tuple[str, ...]
    log_name: str = "train.log"
    moment: Hashable = None  # how far it has come: jobs train together only from the same one


Population = Sequence[Job]


def populations(
    jobs: Sequence[Job],
    workers: int,
    max_members: int | None = None,
    fitting: Callable[[Config], int | None] = lambda config: None,
) -> list[Population]:
    """Cut the jobs into populations: equal structure within each, at most `max_members`, and work for every worker.

    Jobs that differ in per-member fields only train together, in the order of the sweep. A group is cut into as many
    nearly equal parts as its share of the workers, so that all are busy. `fitting` says how many members of a
    configuration fit into memory together, None = any number.
    """
    groups: dict[tuple[str, Hashable], list[Job]] = {}
    for job in jobs:
        groups.setdefault((json.dumps(population_keys(job.config), sort_keys=True), job.moment), []).append(job)
    cut: list[Population] = []
    for group in groups.values():
        limits = (max_members, fitting(group[0].config))
        most = min((limit for limit in limits if limit is not None), default=len(group))
        share = -(-workers * len(group) // len(jobs))
        cut += _cut(group, min(len(group), max(share, -(-len(group) // most))))
    return cut


def _cut(group: list[Job], parts: int) -> list[Population]:
    edges = [round(i * len(group) / parts) for i in range(parts + 1)]
    return [tuple(group[a:b]) for a, b in pairwise(edges)]


class Placed(Protocol):
    """A job's number, folder and overrides."""

    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def folder(self) -> Path: ...  # noqa: D102
    @property
    def overrides(self) -> Sequence[str]: ...  # noqa: D102


def check_folders(jobs: Sequence[Placed]) -> None:
    """UserError if two jobs would be written into one folder, or one of them inside the folder of another."""
    seen: dict[Path, Placed] = {}
    for job in jobs:
        other = seen.setdefault(job.folder, job)
        if other is not job:
            raise UserError(
                f"{_both(other, job)} have the same folder {job.folder}: they are the same run, or hydra.sweep.subdir "
                "does not tell them apart"
            )
    for job in jobs:
        for above in job.folder.parents:
            if above in seen:
                raise UserError(
                    f"{_both(seen[above], job)} have the folders {above} and {job.folder}, one inside the other; "
                    "change hydra.sweep.subdir"
                )


def _both(one: Placed, other: Placed) -> str:
    return f"jobs {one.number} ({' '.join(one.overrides)}) and {other.number} ({' '.join(other.overrides)})"


def record_jobs(sweep: Path, jobs: Sequence[Job]) -> None:
    """Write down what a sweep was asked to do, beside what an earlier one in its folder was."""
    write_jobs(sweep, [_entry(sweep, job) for job in jobs])


def _entry(sweep: Path, job: Job) -> dict[str, Any]:
    names = {"folder": job.folder.relative_to(sweep).as_posix(), "number": job.number, "log_name": job.log_name}
    return names | {"overrides": list(job.overrides), "config": flat(job.config)}
