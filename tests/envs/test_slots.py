"""Slots stepped one by one: the bits of Gymnasium's vector environments, and a broken slot that disturbs no other."""

import multiprocessing
import os
import signal
import time
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Tuple
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import iterate

from rl_decay.config.schema import Env
from rl_decay.envs.faults import TaskError, TookTooLongError
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.sync_slots import SyncSlots
from rl_decay.errors import UserError


class Nested(gym.Env):
    """A task with an observation of several parts, one of which is a buffer that the task writes again."""

    observation_space = Dict(
        {"sensor": Box(-9, 9, (2,), np.float32), "pair": Tuple((Discrete(7, start=2), Box(0, 255, (2, 2), np.uint8)))}
    )
    action_space = Discrete(2)

    def __init__(self):
        self.buffer = np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._obs(), {"x": 1}

    def step(self, action):
        self.steps += 1
        return self._obs(), np.float32(action), self.steps == 4, self.steps == 3 and bool(action), {"y": self.steps}

    def _obs(self):
        self.buffer[:] = self.np_random.normal(size=2)
        pixels = self.np_random.integers(256, size=(2, 2), dtype=np.uint8)
        return {"sensor": self.buffer, "pair": (int(self.np_random.integers(2, 9)), pixels)}


class Breaking(gym.Env):
    """A noisy counter with episodes of four steps. Copies whose reset seed is 13 break in the way `how` names."""

    def __init__(self, how, discrete=False):
        self.observation_space = Discrete(9, start=3) if discrete else Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space, self.how, self.discrete, self.breaks = Discrete(2), how, discrete, False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.total, self.breaks = 0, seed == 13
        if self.breaks and (self.how == "reset" or (self.how == "autoreset" and seed is None)):
            raise RuntimeError("no fuel")
        self.steps = 0
        return self._obs(), {}

    def step(self, action):
        self.steps, self.total = self.steps + 1, self.total + 1
        obs = self._obs()
        if self.breaks and self.total == 3:
            obs = self._fault(obs)
        return obs, float(obs if self.discrete else obs[0]), False, self.steps == 4, {}

    def _obs(self):
        if self.discrete:
            return int(self.np_random.integers(3, 12))
        return self.np_random.normal(size=3).astype(np.float32)

    def _fault(self, obs):
        if self.how == "hang":
            time.sleep(3600)
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "memory":
            raise MemoryError("no room")
        if self.how == "exit":
            raise SystemExit(0)
        if self.how == "step":
            raise RuntimeError("no fuel")
        return {"outside": 99, "long": np.ones(4, np.float32), "strings": np.array(["a", "b", "c"])}.get(self.how, obs)

    def close(self):
        if self.breaks and self.how == "step" and self.total == 3:
            raise RuntimeError("no fuel to close either")


gym.register("tests/Nested-v0", Nested, disable_env_checker=True)
gym.register("tests/BreakingSlot-v0", Breaking, disable_env_checker=True)
EQUAL = {
    "cartpole": ("CartPole-v1", {}),
    "pendulum": ("Pendulum-v1", {}),
    "truncated": ("tests/Push-v0", {"size": 2, "length": 5}),
    "one number": ("tests/Corridor-v0", {}),
    "nested": ("tests/Nested-v0", {}),
}


def gymnasiums(name):
    task, kwargs = EQUAL[name]
    options = {"autoreset_mode": AutoresetMode.NEXT_STEP}
    return gym.make_vec(task, num_envs=3, vectorization_mode="sync", vector_kwargs=options, **kwargs)


def leaves(batch):
    """The arrays of a batch, nested or not, with their places."""
    if isinstance(batch, (dict, tuple)):
        parts = batch.items() if isinstance(batch, dict) else enumerate(batch)
        return {f"{key}/{name}": leaf for key, part in parts for name, leaf in leaves(part).items()}
    return {"": batch}


def same(one, other):
    first, second = leaves(one), leaves(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert type(values) is type(second[name]) and values.dtype == second[name].dtype
        assert values.shape == second[name].shape and values.tobytes() == second[name].tobytes()


@pytest.mark.parametrize("name", EQUAL)
def test_the_bits_are_those_of_gymnasiums_own_vector_environment(name):
    with closing(gymnasiums(name)) as theirs, closing(SyncSlots(gymnasiums(name), "a task")) as ours:
        same(ours.reset([3, 1, 2]), theirs.reset(seed=[3, 1, 2])[0])
        theirs.action_space.seed(0)
        resets = 0
        for _ in range(230):
            actions = theirs.action_space.sample()
            obs, rewards, terminated, truncated, _ = theirs.step(actions)
            raw = ours.step(actions, None)
            same(tuple(raw), (obs, rewards, terminated, truncated))
            resets += int((terminated | truncated).sum())
        assert resets >= 3  # every reset after an episode's end, too
        same(ours.reset([7, 8, 9]), theirs.reset(seed=[7, 8, 9])[0])
        assert ours.attribute("render_mode") == theirs.get_attr("render_mode") == (None,) * 3


@pytest.mark.parametrize("name", ["cartpole", "nested"])
def test_a_later_step_does_not_change_what_an_earlier_one_returned(name):
    with closing(SyncSlots(gymnasiums(name), "a task")) as slots:
        first = slots.reset([1, 2, 3])
        before = {place: leaf.copy() for place, leaf in leaves(first).items()}
        raw = slots.step(np.ones(3, np.int64), None)
        after = [leaf.copy() for leaf in [*leaves(raw.obs).values(), *raw[1:]]]
        for _ in range(5):
            slots.step(np.ones(3, np.int64), None)
        for place, leaf in leaves(first).items():
            np.testing.assert_array_equal(leaf, before[place])
        for leaf, copy in zip([*leaves(raw.obs).values(), *raw[1:]], after):
            np.testing.assert_array_equal(leaf, copy)


def test_an_observation_that_does_not_fit_breaks_a_nested_task_too():
    with closing(SyncSlots(gymnasiums("nested"), "a task")) as slots:
        slots.reset([1, 2, 3])
        slots._vector.envs[1].unwrapped._obs = lambda: {"sensor": np.zeros(2)}
        obs = slots.step(np.zeros(3, np.int64), None).obs
        assert list(slots.faults.take()) == [1]
        rows = list(iterate(slots._vector.observation_space, obs))
        same(rows[1]["pair"][1], rows[0]["pair"][1])  # borrowed, so that the batch keeps its structure


def played(how, vec, seeds, steps=14, discrete=False, timeout=None):
    """Rows of three slots, [t, 3, ...] by field; the errors by (row, slot)."""
    env = Env(id="tests/BreakingSlot-v0", kwargs={"how": how, "discrete": discrete}, timeout=timeout)
    rng = np.random.default_rng(0)
    errors, rows = {}, []
    with closing(GymnasiumVec(env, 3, vec)) as envs:
        first = envs.reset(seeds)
        for t in range(steps):
            errors |= {(t, slot): error for slot, error in envs.take_faults().items()}
            rows.append(envs.step(rng.integers(2, size=3)))
        errors |= {(steps, slot): error for slot, error in envs.take_faults().items()}
        again = envs.reset(seeds)
    assert multiprocessing.active_children() == []
    return [np.stack(field) for field in zip(*rows)], first, again, errors


BREAKS = {  # how -> the row of the fault + 1, words
    "reset": (0, "its reset failed with RuntimeError: no fuel"),
    "autoreset": (5, "its step failed with RuntimeError: no fuel"),
    "step": (3, "its step failed with RuntimeError: no fuel"),
    "exit": (3, "its step failed with SystemExit: 0"),
    "long": (3, "its step failed with ValueError"),
    "strings": (3, "its step failed with"),
}


def check(how, vec, row, words, **options):
    """Slot 1 breaks before `row`; the others give the same bits as without it. Returns its error."""
    broken, first, again, errors = played(how, vec, [11, 13, 12], **options)
    sound, sound_first, sound_again, nothing = played("nothing", vec, [11, 13, 12], **options | {"timeout": None})
    assert nothing == {} and list(errors) == [(row, 1)]
    assert f"{words}" in str(errors[row, 1])
    for values, expected in [(first, sound_first), (again, sound_again)]:
        np.testing.assert_array_equal(values[[0, 2]], expected[[0, 2]])
    assert not again[1].any()
    for values, expected, at_rest in zip(broken, sound, (0, 0, False, False, True)):
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values[:, [0, 2]], expected[:, [0, 2]])
        last = max(row - 1, 0)
        np.testing.assert_array_equal(values[:last, 1], expected[:last, 1])
        assert (values[last:, 1] == at_rest).all()
    return errors[row, 1]


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("how", BREAKS)
def test_a_broken_slot_gives_zeros_and_disturbs_no_other(how, vec, capfd):
    error = check(how, vec, *BREAKS[how])
    assert isinstance(error, TaskError) and "Traceback" in error.trace
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("vec", ["sync", "async"])
def test_an_observation_outside_its_space_breaks_its_slot(vec):
    check("outside", vec, 3, "observation 99 is outside its space Discrete(9, start=3)", discrete=True)
    check("reset", vec, 0, "its reset failed with RuntimeError: no fuel", discrete=True)  # it has no row to show


def test_a_process_that_dies_breaks_its_slot():
    error = check("kill", "async", 3, "env.id=tests/BreakingSlot-v0: a process of it died during a step")
    assert not isinstance(error, TaskError)  # there is no traceback


@pytest.mark.thorough
def test_a_process_that_hangs_breaks_its_slot_at_the_timeout():
    error = check("hang", "async", 3, "env.timeout=3.0: a step of tests/BreakingSlot-v0 took longer", timeout=3.0)
    assert isinstance(error, TookTooLongError)


def test_a_lack_of_memory_in_this_process_is_no_fault_of_one_slot():
    with pytest.raises(TaskError, match="its step failed with MemoryError: no room"):
        played("memory", "sync", [11, 13, 12])


def test_a_lack_of_memory_of_a_process_of_its_own_is():
    check("memory", "async", 3, "its step failed with MemoryError: no room")


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("discrete", [False, True])
def test_when_all_slots_are_broken_there_are_zeros_still(discrete, vec):
    rows, first, again, errors = played("reset", vec, [13, 13, 13], discrete=discrete)
    assert list(errors) == [(0, 0), (0, 1), (0, 2)]
    assert not first.any() and not again.any() and not rows[0].any() and rows[4].all()


@pytest.mark.parametrize("vec", ["sync", "async"])
def test_slots_that_are_left_out_are_not_stepped(vec):
    env = Env(id="tests/BreakingSlot-v0", kwargs={"how": "step"})
    with closing(GymnasiumVec(env, 3, vec)) as envs:
        envs.reset([11, 13, 12])
        for _ in range(10):  # slot 1 would break in its third step
            envs.step(np.zeros(3, np.int64), np.array([True, False, True]))
        assert envs.take_faults() == {}
        assert envs.attribute("total") == (8, 0, 8)
        envs.reset([11, 13, 12])
        assert envs.step(np.zeros(3, np.int64)).valid.all()


@pytest.mark.parametrize("vec", ["sync", "async"])
def test_the_raw_methods_raise(vec):
    env = Env(id="tests/BreakingSlot-v0", kwargs={"how": "step"})
    with closing(GymnasiumVec(env, 2, vec)) as envs:
        envs.raw_reset([1, 13])
        envs.raw_step(np.zeros(2, np.int64))
        envs.raw_step(np.zeros(2, np.int64))
        with pytest.raises(UserError, match="no fuel"):
            envs.raw_step(np.zeros(2, np.int64))
