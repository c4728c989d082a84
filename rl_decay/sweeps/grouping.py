"""Group the jobs of a sweep into populations."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from rl_decay.config.identity import population_values
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
    """Group the jobs into populations of at most `max_members`, with work for every worker.

    A population holds jobs that differ in per-member fields only and that have the same resume point, in the order of
    the sweep.

    fitting: the most members of a configuration that fit into memory together (None = any number).
    resume_points: by the job's number, where its training begins; equal points can train together.
    """
    points = resume_points or {}
    groups: dict[tuple[str, Hashable], list[Job]] = {}
    for job in jobs:
        structure = json.dumps(population_values(job.config), sort_keys=True)
        groups.setdefault((structure, points.get(job.number)), []).append(job)
    all_populations: list[Population] = []
    for group in groups.values():
        limits = [limit for limit in (max_members, fitting(group[0].config)) if limit is not None]
        most_members = min(limits, default=len(group))
        # Both quotients are rounded up. The first keeps all workers busy: a group gets its share of the workers.
        parts_for_workers = -(-workers * len(group) // len(jobs))
        parts_for_limits = -(-len(group) // most_members)
        parts = min(len(group), max(parts_for_workers, parts_for_limits))
        all_populations += _split(group, parts)
    return all_populations


def _split(group: list[Job], parts: int) -> list[Population]:
    """Split a group into parts whose sizes differ by at most one."""
    edges = [round(i * len(group) / parts) for i in range(parts + 1)]
    return [tuple(group[start:end]) for start, end in pairwise(edges)]


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
