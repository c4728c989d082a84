"""From the jobs of a sweep to populations."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rl_decay.config.identity import population_keys
from rl_decay.config.schema import Config
from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job

Population = Sequence[Job]


def populations(
    jobs: Sequence[Job],
    workers: int,
    max_members: int | None = None,
    fitting: Callable[[Config], int | None] = lambda config: None,
    resume_points: Mapping[int, Hashable] | None = None,
) -> list[Population]:
    """Cut the jobs into populations: equal structure within each, at most `max_members`, and work for every worker.

    Jobs that differ in per-member fields only train together, in the order of the sweep, if they have come equally far:
    `resume_points` says how far by the job's number. A group is cut into as many nearly equal parts as its share of the
    workers, so that all are busy. `fitting` says how many members of a configuration fit into memory together, None =
    any number.
    """
    points = resume_points or {}
    groups: dict[tuple[str, Hashable], list[Job]] = {}
    for job in jobs:
        structure = json.dumps(population_keys(job.config), sort_keys=True)
        groups.setdefault((structure, points.get(job.number)), []).append(job)
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


def check_folders(jobs: Sequence[tuple[str, Path]]) -> None:
    """UserError if two jobs, given as (title, folder), would be written into one folder, or one inside the other's."""
    titles: dict[Path, str] = {}
    for title, folder in jobs:
        if folder in titles:
            raise UserError(
                f"jobs {titles[folder]} and {title} have the same folder {folder}: they are the same run, or "
                "hydra.sweep.subdir does not tell them apart"
            )
        titles[folder] = title
    for title, folder in jobs:
        for above in folder.parents:
            if above in titles:
                raise UserError(
                    f"jobs {titles[above]} and {title} have the folders {above} and {folder}, one inside the other; "
                    "change hydra.sweep.subdir"
                )
