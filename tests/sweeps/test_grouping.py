"""Which jobs train together."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_decay.config.identity import population_values
from rl_decay.config.schema import Config, flat, walk
from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job
from rl_decay.sweeps import workers
from rl_decay.sweeps.display import arms, populations_table
from rl_decay.sweeps.grouping import check_folders, populations

PER_MEMBER = {key for key, _, about in walk(Config()) if about["per_member"]}
OTHER = {  # a second value for every key whose type alone does not give one
    "env.kwargs": {"x": 1},
    "env.timeout": 1.0,
    "net.hidden": [32],
    "algo.value_clip": 0.2,
    "algo.target_kl": 0.01,
    "checkpoint.every": 3,
    "env.entry_point": "a:B",
    "env.wrappers": ["a.B"],
}


def changed(**values):
    """A configuration with other values; dots of the keys are written as two underscores."""
    config = Config()
    for key, value in values.items():
        *path, leaf = key.split("__")
        owner = config
        for name in path:
            owner = getattr(owner, name)
        setattr(owner, leaf, value)
    return config


def job(number, config=None, folder=None):
    return Job(number, config or changed(seed=number), Path(folder or f"job{number}"), (f"seed={number}",))


def numbers(groups):
    return [[j.number for j in group] for group in groups]


def another(key, value):
    if key in OTHER:
        return OTHER[key]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}x"
    return 0.5 if value is None else value + 1


@pytest.mark.parametrize("key", list(flat(Config())))
def test_only_per_member_keys_may_differ_within_a_population(key):
    other = changed(**{key.replace(".", "__"): another(key, flat(Config())[key])})
    assert flat(other)[key] != flat(Config())[key]
    groups = populations([job(0, Config()), job(1, other)], 1)
    assert numbers(groups) == ([[0, 1]] if key in PER_MEMBER else [[0], [1]])


def test_rates_schedules_and_seeds_are_per_member():
    assert {"seed", "actor.lr", "critic.lr", "schedule.actor.curve", "schedule.warmup", "algo.gamma"} <= PER_MEMBER
    assert not {"total_steps", "env.id", "net.hidden", "algo.epochs", "normalize.obs", "threads"} & PER_MEMBER


def test_one_worker_and_no_limit_is_one_population_per_structure():
    configs = [changed(seed=i, algo__num_steps=64 if i % 3 else 128) for i in range(7)]
    groups = populations([job(i, c) for i, c in enumerate(configs)], 1)
    assert numbers(groups) == [[0, 3, 6], [1, 2, 4, 5]]


def test_a_group_feeds_every_worker_with_nearly_equal_parts():
    assert sorted(len(g) for g in populations([job(i) for i in range(30)], 4)) == [7, 7, 8, 8]
    assert numbers(populations([job(0), job(1)], 8)) == [[0], [1]]


def test_max_members_bounds_a_population():
    assert sorted(len(g) for g in populations([job(i) for i in range(5)], 1, 2)) == [1, 2, 2]
    assert numbers(populations([job(i) for i in range(3)], 1, 1)) == [[0], [1], [2]]
    assert numbers(populations([job(i) for i in range(3)], 1, 99)) == [[0, 1, 2]]


@given(
    kinds=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    count=st.integers(1, 9),
    limit=st.none() | st.integers(1, 12),
)
def test_every_job_once_in_order_and_within_the_bounds(kinds, count, limit):
    jobs = [job(i, changed(seed=i, algo__epochs=1 + kind)) for i, kind in enumerate(kinds)]
    groups = populations(jobs, count, limit)
    assert sorted(n for group in numbers(groups) for n in group) == list(range(len(jobs)))
    for group in groups:
        assert 1 <= len(group) <= (limit or len(jobs))
        assert all(population_values(j.config) == population_values(group[0].config) for j in group)
        assert [j.number for j in group] == sorted(j.number for j in group)
    for kind in set(kinds):  # the parts of one structure follow each other, and are nearly equal
        parts = [[j.number for j in group] for group in groups if group[0].config.algo.epochs == 1 + kind]
        assert [n for part in parts for n in part] == [i for i, k in enumerate(kinds) if k == kind]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        fewest = 1 if limit is None else -(-kinds.count(kind) // limit)
        assert fewest <= len(parts) <= max(count, fewest)
    if len(set(kinds)) == 1:
        assert len(groups) >= min(count, len(jobs))


def test_two_jobs_with_the_same_folder_are_both_named():
    with pytest.raises(UserError, match=r"jobs 0 \(seed=0\) and 2 \(seed=2\).*same folder twin"):
        check_folders([(j.title, j.folder) for j in (job(0, folder="twin"), job(1), job(2, folder="twin"))])


def test_an_arm_is_named_by_what_differs_the_seed_aside():
    configs = [changed(seed=s, actor__lr=lr, schedule__actor__curve=c) for lr, c in ((1e-3, "none"), (0.1, "linear"))
               for s in (0, 1)]  # fmt: skip
    named = arms([job(10 + i, c) for i, c in enumerate(configs)])
    assert list(named) == [10, 11, 12, 13]
    assert named[10] == named[11] != named[12] == named[13]
    assert named[10].split() == ["schedule/actor=none", "actor.lr=0.001"]
    assert named[12].split() == ["schedule/actor=linear", "actor.lr=0.1"]
    assert set(arms([job(0), job(1)]).values()) == {"schedule=linear"}


def test_arms_of_several_tasks_are_not_named_by_what_belongs_to_the_task():
    sizes = {"CartPole-v1": 4, "Acrobot-v1": 8}
    configs = [
        changed(env__id=task, env__num_envs=n, schedule__actor__curve=curve, schedule__critic__curve=curve)
        for task, n in sizes.items()
        for curve in ("none", "linear")
    ]
    named = arms([job(i, c) for i, c in enumerate(configs)]).values()
    assert list(named) == [f"{task} schedule={curve}" for task in sizes for curve in ("none", "linear")]


def test_the_table_of_populations_lists_the_numbers_it_means():
    group = [job(n) for n in (0, 1, 4, 5, 7)]
    table = populations_table([group], 1, lambda config, members: members * 10**9)
    assert list(table.columns[0].cells) == ["0..1, 4..5, 7"]
    assert list(table.columns[3].cells) == ["about 5.0 GB"]


def test_usable_cores_keeps_to_the_affinity(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3})
    assert workers.usable_cores() == 1


@pytest.mark.parametrize(
    "quota, cores",
    [("max 100000", 8), ("300000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8), ("", 8), (None, 8)],
)
def test_usable_cores_keeps_to_the_quota(monkeypatch, quota, cores):
    def read_text(path, *_, **__):
        assert path.name == "cpu.max"
        if quota is None:
            raise FileNotFoundError(path)
        return quota

    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(Path, "read_text", read_text)
    assert workers.usable_cores() == cores


def test_a_job_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        job(0).number = 1
