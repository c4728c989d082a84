"""A run that is killed, at whatever moment, and continued, ends as the run that never was."""

import itertools
import random
import shutil
import signal
import time
from functools import partial

import pytest
from trained import train_configs
from variants import thorough

from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.training import checkpoints

SHAPES = {
    "continuous-sync": {"env__id": "tests/Push-v0", "segments": 1},
    "continuous-sync-segments": {"env__id": "tests/Push-v0", "segments": 3},
    "continuous-async": {"env__id": "tests/Push-v0", "segments": 1, "vec": "async"},
    "wrapped-sync-segments": {
        "env__id": "tests/Push-v0",
        "env__wrappers": ["odd_wrappers.Counting", "odd_wrappers.Lengthening"],
        "segments": 3,
    },
    "squashed-sync": {"env__id": "tests/Push-v0", "net__squash": "tanh", "segments": 1},
    "discrete-sync": {"env__id": "tests/Corridor-v0", "segments": 1},
    "discrete-sync-segments": {"env__id": "CartPole-v1", "segments": 3},
    "components-sync": {"env__id": "tests/Panel-v0", "env__kwargs": {"action": "dials"}, "segments": 1},
    "components-async-segments": {
        "env__id": "tests/Panel-v0",
        "env__kwargs": {"action": "matrix"},
        "segments": 3,
        "vec": "async",
    },
    "discrete-async-segments": {"env__id": "tests/Corridor-v0", "segments": 3, "vec": "async"},
}
ITERATION = 2 * 8  # environment steps


@pytest.fixture
def population(little):
    """Configurations of members that differ in seed and rates, and where: population(count, **keys)."""

    def make(count, **values):
        return [little(seed=seed, actor__lr=1e-3 * (seed + 1), **values) for seed in range(count)]

    return make


@pytest.fixture
def folders(tmp_path):
    """One folder per member below a folder of that name."""
    return lambda name, count: [tmp_path / name / f"member{m}" for m in range(count)]


@pytest.fixture
def unlike(differences):
    """What differs between the members' folders, as `member: name`."""

    def compare(whole, cut, ignore=()):
        return [f"{m}: {name}" for m, pair in enumerate(zip(whole, cut)) for name in differences(*pair, ignore)]

    return compare


EVERY = {"segments": 1, "total_steps": 4 * ITERATION, "evaluation__early": 1, "evaluation__late": 1}


@pytest.mark.parametrize(
    "count, stride",
    [
        pytest.param(1, 9, id="alone-somewhere"),
        thorough(1, 1, id="alone"),
        thorough(3, 17, id="population"),
        pytest.param(3, 1, id="population-everywhere", marks=pytest.mark.slow),
    ],
)
def test_killed_at_every_state_of_the_disk_and_continued(population, folders, killed, train_all, unlike, count, stride):
    # segments=1: four iterations without a reset, so checkpoints lie inside a segment and episodes run across them
    configs, whole = population(count, **EVERY), folders("whole", count)
    train_configs(configs, whole)
    found = {}
    for at in itertools.count(1, stride):
        cut = folders(f"at{at}", count)
        if not killed(partial(train_configs, configs, cut), at=at):
            break
        train_all(configs, cut)
        found[at] = unlike(whole, cut)
    assert {at: names for at, names in found.items() if names} == {}
    # per member: two tables and the events after each of four iterations in two halves, latest.pt and its copy after
    # 2 and 4 in two halves and a rename
    assert at > count * (3 * 4 * 2 + 2 * 2 * 3)


# tables cut back (3 states at most), the summary replaced (3), a new event file (2), the rows of iteration 3 in three
# files (6), and then a process like any other: 14 states
@pytest.mark.parametrize("states", [range(2, 15, 4), thorough(range(1, 15))], ids=["somewhere", "everywhere"])
def test_killed_again_at_every_state_of_the_disk_while_it_is_taken_up(population, folders, killed, unlike, states):
    configs, whole = population(1, **EVERY), folders("whole", 1)
    train_configs(configs, whole)
    (begun,) = folders("begun", 1)
    # the first process dies behind its checkpoint of iteration 2, with a row of a later iteration written
    assert killed(partial(train_configs, configs, [begun]), at=34)
    assert saved(begun) == 2 < len((begun / layout.METRICS_CSV).read_text().splitlines()) - 1
    found = {}
    for at in states:
        cut = folders(f"at{at}", 1)
        shutil.copytree(begun, cut[0])
        assert killed(partial(train_configs, configs, cut), at=at)
        train_configs(configs, cut)
        found[at] = unlike(whole, cut)
    assert {at: names for at, names in found.items() if names} == {}


@pytest.mark.parametrize("vec, other", [("sync", "batched"), ("batched", "sync")])
def test_a_run_of_copies_goes_on_batched_and_the_other_way_round(population, folders, killed, unlike, vec, other):
    tasks = EVERY | {"env__id": "MountainCarContinuous-v0", "env__kwargs": {"max_episode_steps": 11}}
    whole = folders("whole", 2)
    train_configs(population(2, **tasks, vec=vec), whole)
    cut = folders("cut", 2)
    assert killed(partial(train_configs, population(2, **tasks, vec=vec), cut), at=70)
    assert saved(cut[0]) == 2
    train_configs(population(2, **tasks, vec=other), cut)
    assert unlike(whole, cut, ("summary/config", "summary/vec")) == []
    assert [read_summary(folder)["vec"] for folder in (*whole, *cut)] == [vec, vec, other, other]
    assert not any(read_summary(folder)["notes"] for folder in cut)  # the replay was exact


def saved(folder):
    """The iteration of a run's last checkpoint; 0 without one."""
    path = folder / layout.CHECKPOINTS / layout.LATEST
    return checkpoints.load(path)["iteration"] if path.exists() else 0


@pytest.mark.parametrize(
    "shape, count, kills",
    [
        ("continuous-async", 1, 3),
        ("wrapped-sync-segments", 1, 3),
        thorough("discrete-async-segments", 1, 3),
        thorough("discrete-sync", 1, 3),
        thorough("continuous-sync-segments", 3, 3),
        thorough("components-sync", 3, 3),
        thorough("squashed-sync", 3, 3),
        ("components-async-segments", 1, 3),
    ],
)
def test_sigkill_at_any_moment_any_number_of_times(killed_at_random, shape, count, kills):
    assert killed_at_random(shape, count, kills, seed=kills) == []


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3], ids=["alone", "population"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_sigkill_at_many_moments(killed_at_random, shape, count, seed):
    assert killed_at_random(shape, count, 5, seed) == []  # 10 shapes x 2 x 3 seeds x 5 kills: 300 kills


@pytest.fixture
def killed_at_random(population, folders, killed, go_on, unlike):
    """Kill runs so many times, continue them to their end, and compare with runs that were not: what differs."""

    def run(shape, count, kills, seed):
        configs, whole = population(count, **SHAPES[shape]), folders("whole", count)
        begun = time.monotonic()
        assert not killed(partial(train_configs, configs, whole))  # a fork too, for the time that it takes
        seconds, moments, strikes, found = time.monotonic() - begun, random.Random(seed), 0, []
        for attempt in itertools.count():
            cut = folders(f"cut{attempt}", count)
            while strikes < kills and killed(partial(go_on, configs, cut), after=moments.uniform(0, 0.6) * seconds):
                strikes += 1
            go_on(configs, cut)
            found += unlike(whole, cut)
            if strikes == kills:
                return found
            seconds *= 0.8  # it had ended before it was struck often enough: anew, and sooner

    return run


class Signalling:
    """A display that sends a signal at the end of an iteration."""

    def __init__(self, iteration):
        self._iteration = iteration

    def iteration(self, iteration, runs, scalars, evaluated):
        if iteration == self._iteration:
            signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    "iteration, shape",
    [
        (5, "continuous-sync-segments"),
        (5, "components-sync"),
        (5, "wrapped-sync-segments"),
        (5, "squashed-sync"),
        *(thorough(iteration, "continuous-sync-segments") for iteration in (1, 2, 6)),
    ],
)
def test_stopped_by_sigterm_after_any_iteration_and_continued(population, folders, unlike, iteration, shape):
    configs, whole, cut = population(2, **SHAPES[shape]), *(folders(n, 2) for n in ("a", "b"))
    train_configs(configs, whole)
    stopped = train_configs(configs, cut, show=lambda *_: Signalling(iteration))
    assert [(r.status, r.summary["iterations"], saved(r.folder)) for r in stopped] == [
        (layout.INTERRUPTED, iteration, iteration)
    ] * 2
    train_configs(configs, cut)
    # a stop keeps a numbered copy too, so older ones may go that an uninterrupted run has
    assert unlike(whole, cut, ignore=("iteration_", "files")) == []


@pytest.mark.thorough
def test_stopped_by_sigterm_at_any_moment_with_environments_in_processes(population, folders, killed, unlike):
    configs, whole, cut = population(1, **SHAPES["continuous-async"]), folders("whole", 1), folders("cut", 1)
    train_configs(configs, whole)
    for after in (0.05, 0.15, 0.1):
        killed(partial(train_configs, configs, cut), after=after, by=signal.SIGTERM)
    train_configs(configs, cut)
    assert unlike(whole, cut, ignore=("iteration_", "files")) == []
