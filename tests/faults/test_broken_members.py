"""A copy of the task that fails ends its own run; the neighbours go on, to the bit."""

import json
import multiprocessing
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from trained import train_configs
from variants import keeping, thorough

from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.rng import MemberStreams, evaluation_seeds
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.types import Spaces

BROKEN = 1  # the member whose copies break
EVALUATED = evaluation_seeds(1_000_003, 2)
FUEL = "the simulator is out of fuel"


class Touchy(gym.Env):
    """A point that an action above 10 breaks in an evaluation: a member with a far too large rate gets there."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)
    action_space = Box(-100, 100, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.evaluated = seed in EVALUATED
        self.steps, self.x = 0, self.np_random.normal(size=3)
        return self.x.astype(np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.evaluated and abs(action[0]) > 10 and self.steps > 2:
            raise RuntimeError(FUEL)
        self.x = 0.9 * self.x + 0.1 * self.np_random.normal(size=3)
        return self.x.astype(np.float32), 1.0 - abs(float(action[0])), False, self.steps >= 5, {}


gym.register("tests/Touchy-v0", Touchy, disable_env_checker=True)


def broken_seeds(segment):
    """Reset seeds of the first copy of the broken member."""
    return [int(MemberStreams([BROKEN], Spaces(3, 1, continuous=True)).env_seeds(segment, 2)[0])]


@pytest.fixture
def three(small):
    """Configurations of three members, of which the one in the middle breaks."""

    def make(where, vec="sync", after=40, **values):
        settings = {"vec": vec, "checkpoint__every": 1, "evaluation__early": 0, "evaluation__late": 2, **values}
        if where == "evaluation":
            settings |= {"env__id": "tests/Touchy-v0"}
            rates = {m: {"actor__lr": 1.0 if m == BROKEN else 3e-4} for m in range(3)}
            return [small(seed=m, **settings, **rates[m]) for m in range(3)]
        how = {"a segment's reset": "reset", "the first reset": "reset"}.get(where, where)
        seeds = broken_seeds(segment=1 if where == "a segment's reset" else 0)
        kwargs = {"how": how, "after": after, "seeds": seeds}
        return [small(seed=m, env__kwargs=kwargs, **settings) for m in range(3)]

    return make


def alone(config, folder):
    """Train one run; its folder, and the error that a person is told."""
    try:
        train_configs([config], [folder])
    except UserError as error:
        return SimpleNamespace(folder=folder), str(error)
    return SimpleNamespace(folder=folder), None


WHERE = {
    "step": "its step failed with RuntimeError: " + FUEL,
    "four values": "its step failed with ValueError",
    "the first reset": "its reset failed with RuntimeError: " + FUEL,
    "a segment's reset": "its reset failed with RuntimeError: " + FUEL,
    "evaluation": "its step failed with RuntimeError: " + FUEL,
}


EVERYWHERE = {f"{where}-{vec}": (where, vec) for where in WHERE for vec in ("sync", "async")}
FAST = [name for name in EVERYWHERE if name.endswith("-sync")] + ["step-async"]


@pytest.mark.parametrize("where, vec", keeping(FAST, EVERYWHERE))
def test_together_all_runs_are_as_they_are_alone(where, vec, three, tmp_path, differences, capfd):
    configs = three(where, vec)
    results = train_configs(configs, [tmp_path / f"together{m}" for m in range(3)])
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    for m, config in enumerate(configs):
        single, error = alone(config, tmp_path / f"alone{m}")
        assert differences(single, results[m]) == []
        expected, said = read_summary(single.folder), results[m].summary
        assert (said["status"], said["iterations"]) == (expected["status"], expected["iterations"])
        assert said["reason"] == expected["reason"] == error
    reason = results[BROKEN].summary["reason"]
    assert WHERE[where] in reason and reason.endswith("; the traceback is in train.log")
    logs = [(result.folder / layout.LOG).exists() for result in results]
    assert logs == [False, True, False]
    assert (results[BROKEN].folder / layout.LOG).read_text().count("Traceback (most recent call last)") == 1
    assert capfd.readouterr().err == ""
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("how, words", [("kill", "a process of it died"), thorough("hang", "took longer than that")])
def test_a_process_that_dies_or_hangs_ends_its_member_alone(how, words, three, tmp_path, differences):
    configs = three(how, "async", env__timeout=4.0)  # every other step must be faster
    results = train_configs(configs, [tmp_path / f"together{m}" for m in range(3)])
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    assert words in results[BROKEN].summary["reason"]
    for m in (0, 2):
        single, error = alone(configs[m], tmp_path / f"alone{m}")
        assert error is None and differences(single, results[m]) == []
    assert multiprocessing.active_children() == []


def test_the_last_members_that_break_end_the_training_with_reasons_of_their_own(small, tmp_path):
    configs = [small(seed=m, env__kwargs={"how": "step", "after": 40}) for m in range(2)]
    results = train_configs(configs, [tmp_path / "0", tmp_path / "1"])
    for m, result in enumerate(results):
        _, error = alone(configs[m], tmp_path / f"alone{m}")
        assert (result.status, result.summary["reason"]) == ("failed", error)
        assert result.summary["iterations"] < 8


def test_the_broken_run_goes_on_from_its_last_checkpoint(three, tmp_path, repaired, resumed, different):
    configs = three("step")
    results = train_configs(configs, [tmp_path / f"together{m}" for m in range(3)])
    repaired()
    assert resumed(results[BROKEN].folder).code == 0
    train_configs([configs[BROKEN]], [tmp_path / "whole"])
    assert different(results[BROKEN].folder, tmp_path / "whole") == []


@pytest.fixture
def half_done(three, tmp_path, monkeypatch):
    """Folders of three runs that were stopped inside a segment, whose task was whole until then."""

    def make():
        faulty = gym.spec("tests/Faulty-v0").entry_point
        monkeypatch.setattr(faulty, "whole", True)
        configs = three("step", after=20, resume="auto")
        show = SimpleNamespace(iteration=lambda done, *_: "a test" if done == 3 else None)
        folders = [tmp_path / f"together{m}" for m in range(3)]
        results = train_configs(configs, folders, show=lambda *_: show)
        assert [result.status for result in results] == ["interrupted"] * 3
        monkeypatch.setattr(faulty, "whole", False)
        return configs, folders

    return make


def test_a_copy_that_breaks_in_a_replay_ends_its_member_alone(half_done, tmp_path, differences):
    configs, folders = half_done()
    results = train_configs(configs, folders)
    assert [result.status for result in results] == ["finished", "failed", "finished"]
    assert FUEL in results[BROKEN].summary["reason"] and results[BROKEN].summary["iterations"] == 3
    for m in (0, 2):
        single, _ = alone(configs[m], tmp_path / f"alone{m}")
        assert differences(single, results[m]) == []


def test_a_single_run_that_breaks_in_a_replay_is_told_to_the_person(half_done):
    configs, folders = half_done()
    with pytest.raises(UserError, match=f"its step failed with RuntimeError: {FUEL}"):
        train_configs([configs[BROKEN]], [folders[BROKEN]])
    said = json.loads((folders[BROKEN] / layout.SUMMARY).read_text())
    assert said["status"] == "failed" and FUEL in said["reason"] and said["iterations"] == 3


def test_an_evaluation_that_is_repeated_and_breaks_is_told_to_the_person(three, tmp_path):
    config = three("evaluation")[BROKEN]
    with pytest.raises(UserError, match=FUEL):
        train_configs([config], [tmp_path / "mine"])
    policy = load_policy(tmp_path / "mine", "latest")
    with pytest.raises(UserError, match=f"its step failed with RuntimeError: {FUEL}"):
        replay(policy)
