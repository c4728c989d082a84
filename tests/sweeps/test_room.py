"""Sweeps larger than the machine's memory: smaller populations, fewer workers, or one line with the numbers."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from rl_decay.config.memory import BYTES_PER_PROCESS, parts
from rl_decay.config.schema import Config, unflat
from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job
from rl_decay.sweeps import room
from rl_decay.sweeps.grouping import populations
from rl_decay.sweeps.room import Room
from rl_decay.types import Spaces

CARTPOLE = Spaces(4, 2, continuous=False)


@pytest.fixture
def machine(monkeypatch):
    """Give this machine so many bytes."""
    return lambda size: monkeypatch.setattr(room, "free_memory", lambda: size)


def jobs(count: int, **values) -> list[Job]:
    keys = {"device": "cpu"} | {key.replace("__", "."): value for key, value in values.items()}
    return [Job(n, unflat(keys | {"seed": n}), Path(f"job{n}"), (f"seed={n}",)) for n in range(count)]


def size(config: Config, members: int) -> int:
    return BYTES_PER_PROCESS + sum(parts(config, CARTPOLE, members).values())


def test_a_group_that_is_too_large_is_cut_into_populations_that_fit(machine):
    ten = jobs(10)
    machine(2 * size(ten[0].config, 3))  # two processes of three members each, and not a byte more
    here = Room(ten)
    assert here.workers(ten, 2) == 2
    assert here.members(ten[0].config, 2) == 3
    cut = populations(ten, 2, None, lambda config: here.members(config, 2))
    assert [len(population) for population in cut] == [2, 3, 3, 2]
    machine(2 * size(ten[0].config, 3) - 2)
    assert Room(ten).members(ten[0].config, 2) == 2


def test_fewer_workers_where_as_many_do_not_fit_together(machine):
    two = jobs(2)
    machine(2 * size(two[0].config, 1) - 1)
    assert Room(two).workers(two, 8) == 1
    machine(2 * size(two[0].config, 1))
    assert Room(two).workers(two, 8) == 2


def test_a_job_that_does_not_fit_alone_is_named_with_the_numbers(machine):
    two = [*jobs(1), *jobs(1, algo__epochs=10**9)]
    machine(8 * 10**9)
    # its permutations alone: 10^9 epochs of 1024 rows of 8 bytes = 8.2e12
    with pytest.raises(UserError) as error:
        Room(two).workers(two, 1)
    assert str(error.value) == (
        "job 0 (seed=0): algo.epochs=1000000000: it needs about 8.2 TB of memory; this machine has 8.0 GB free"
    )


def test_a_task_that_cannot_be_made_is_left_to_training(machine):
    unknown = jobs(1, env__id="Nope-v0")
    machine(1)
    here = Room(unknown)
    assert here.workers(unknown, 3) == 3
    assert here.members(unknown[0].config, 3) is None
    assert here.needed(unknown[0].config, 1) is None


def test_each_task_is_made_once(machine, monkeypatch):
    made = []
    monkeypatch.setattr(room, "codec_of", lambda env: made.append(env.id) or SimpleNamespace(spaces=CARTPOLE))
    machine(10**12)
    many = jobs(5)
    here = Room(many)
    here.workers(many, 2)
    here.members(many[0].config, 2)
    assert made == ["CartPole-v1"]


def test_a_sweep_that_fits_nowhere_makes_no_run_folder(tiny, train_in, tmp_path):
    ended = train_in(tmp_path, *tiny, "algo.epochs=1_000_000_000", "seed=1,2", "hydra.launcher.workers=1")
    ended.refused("job 0", "algo.epochs=1000000000", "needs about", "free")
    assert not list(tmp_path.glob("sweep/*/"))
