"""A task's own error: one line that names its kind and place, and the whole traceback in the run's log."""

import threading
from itertools import product

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from trained import train_configs
from variants import thorough

from rl_decay.envs.faults import described
from rl_decay.errors import UserError
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps import workers

PLACE = r"line \d+ of test_tracebacks\.py"


class StubbornError(Exception):
    """An error that no process can hand to another."""

    def __init__(self, number):
        super().__init__(f"number {number}, 100 %d")
        self.lock = threading.Lock()


class Raising(gym.Env):
    """A task that raises in its constructor, or in each step from the 105th after a seeded reset on."""

    observation_space = Box(-1, 1, (3,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, how="nothing", speed=1):
        if speed <= 0:
            raise AssertionError  # what `assert speed > 0` raises without pytest
        self.how = how
        if how == "type in the constructor":
            self.how + 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps >= 105:
            self._fail()
        return np.zeros(3, np.float32), 1.0, False, False, {}

    def _fail(self):
        if self.how == "key":
            {}["speed"]
        if self.how == "numpy":
            np.zeros(3).reshape(2, 2)
        if self.how == "no words":
            raise AssertionError
        if self.how == "control characters":
            raise RuntimeError("red \x1b[31m\nand a second line")
        if self.how == "stubborn":
            raise StubbornError(7)


gym.register("tests/Raising-v0", Raising, disable_env_checker=True)
KINDS = {
    "key": rf"KeyError: 'speed' \({PLACE}\)",
    "numpy": rf"ValueError: cannot reshape array of size 3 into shape \(2,2\) \({PLACE}\)",
    "no words": rf"AssertionError in {PLACE}: raise AssertionError",
    "control characters": rf"RuntimeError: red \\x1b\[31m and a second line \({PLACE}\)",
    "stubborn": rf"StubbornError: number 7, 100 %d \({PLACE}\)",
}


FAST = [("async", "stubborn"), ("sync", "key")]
OTHERS = [pair for pair in product(("sync", "async"), KINDS) if pair not in FAST]


def raising(small, how="nothing", vec="sync", **kwargs):
    return small(
        env__id="tests/Raising-v0",
        env__kwargs={"how": how, **kwargs},
        segments=1,
        evaluation__early=0,
        evaluation__late=1,
        vec=vec,
    )


@pytest.mark.parametrize(
    "vec, how", [("async", "stubborn"), ("sync", "key"), *(thorough(vec, how) for vec, how in OTHERS)]
)
def test_the_line_names_kind_and_place_and_the_log_has_the_rest(how, vec, small, tmp_path):
    with pytest.raises(UserError, match=f"its step failed with {KINDS[how]}; the traceback is in train.log$"):
        train_configs([raising(small, how, vec)], [tmp_path / "mine"])
    log = (tmp_path / "mine" / "train.log").read_text()
    assert log.startswith("Traceback") and "in _fail" in log and "\x1b" not in log
    assert read_summary(tmp_path / "mine")["reason"].endswith("; the traceback is in train.log")


def test_each_member_of_a_population_has_it_in_its_own_log(small, tmp_path):
    configs = [raising(small, "key"), raising(small, "key")]
    configs[1].seed = 1
    jobs = [Job(i, config, tmp_path / f"job{i}", ()) for i, config in enumerate(configs)]
    workers.train([jobs], 1, lambda progress: None)
    for job in jobs:
        assert "KeyError: 'speed'" in (job.folder / "train.log").read_text()
        assert read_summary(job.folder)["reason"].endswith("; the traceback is in train.log")


@pytest.mark.thorough
def test_a_person_is_told_the_folder(words, train_in, tmp_path):
    typed = words(env__id="tests/Raising-v0", env__kwargs="{how:key}", segments=1)
    train_in(tmp_path, *typed, "hydra.run.dir=mine").refused(
        "KeyError: 'speed'", "the traceback is in train.log in mine"
    )
    assert "in _fail" in (tmp_path / "mine" / "train.log").read_text()


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"speed": -1}, f"AssertionError in {PLACE}: raise AssertionError"),
        # Gymnasium raises a TypeError of its own from the task's: the place is that of the cause
        ({"how": "type in the constructor"}, rf"TypeError: .*\({PLACE}\)$"),
        ({"colour": 3}, "TypeError: .* unexpected keyword argument 'colour'"),
    ],
)
def test_a_constructor_is_named_by_its_line(kwargs, expected, small, tmp_path):
    with pytest.raises(UserError, match=rf"env\.id=tests/Raising-v0 with env\.kwargs=\{{.*\}}: {expected}"):
        train_configs([raising(small, **kwargs)], [tmp_path / "mine"])


def test_an_error_without_a_place_of_its_own_has_its_kind_alone():
    assert described(ValueError()) == "ValueError"
    assert described(ValueError("no fuel")) == "ValueError: no fuel"
