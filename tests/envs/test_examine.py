"""What a task is asked before training: is it a function of its reset seed, and does it speak Gymnasium's language?"""

import random
from contextlib import closing
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box

from rl_decay.config.schema import Env
from rl_decay.envs import repeatable
from rl_decay.envs.examine import examine
from rl_decay.envs.generators import OwnGenerators, preserved_generators
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.precision import lost_in_float32
from rl_decay.envs.rewards import OneNumberReward
from rl_decay.errors import UserError

EVERY_VEC = pytest.mark.parametrize("vec", ["sync", "async"])


class Odd(gym.Env):
    """A task that is odd in one way, `how`: where its numbers come from, or what its methods return."""

    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, how="sound", length=30):
        precise = how == "far away"
        self.observation_space = Box(-np.inf, np.inf, (3,), np.float64 if precise else np.float32)
        self.how, self.length, self.resets = how, length, 0
        self.born = np.random.normal() if how == "numpy in the constructor" else 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.resets = 0, self.resets + 1
        if self.how == "seeds numpy in its reset" and seed is not None:
            np.random.seed(seed)
        return self._observe(), {}

    def step(self, action):
        self.steps += 1
        over = self.steps >= (self.length + 5 * (self.np_random.random() < self._end_noise()))
        return self._observe(), self._reward(), False, bool(over), {}

    def _observe(self):
        value = {
            "numpy": np.random.normal,
            "seeds numpy in its reset": np.random.normal,
            "python": random.random,
            "a fresh generator": lambda: np.random.default_rng().normal(),
            "the constructor": lambda: self.born,
            "its number of resets": lambda: float(self.resets > 3),
        }
        number = self.born + value.get(self.how, self.np_random.normal)()
        if self.how == "far away":
            return 1e8 + np.array([np.sin(self.steps), 0.0, 0.0])
        longer = self.how == "a longer observation" and self.steps > 0
        return np.full(3 + longer, number, np.float32)

    def _reward(self):
        rewards = {
            "a list of one": [1.5],
            "an array of one": np.array([1.5]),
            "a matrix of one": np.array([[1.5]], np.float32),
            "two numbers": [1.0, 2.0],
            "a word": "much",
            "a number in text": "1.5",
            "no reward": None,
            "a random reward": random.SystemRandom().random(),
        }
        return rewards.get(self.how, 1.5)

    def _end_noise(self):
        return random.SystemRandom().random() if self.how == "a random end" else 0


class OldReset(Odd):
    def reset(self):
        return super().reset()[0]


class BareReset(Odd):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class OldStep(Odd):
    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        return obs, reward, terminated or truncated, info


for task in (Odd, OldReset, BareReset, OldStep):
    gym.register(f"tests/{task.__name__}-v0", task, disable_env_checker=True)


def odd(how, **kwargs):
    return Env(id="tests/Odd-v0", kwargs={"how": how, **kwargs})


def notes(env, vec="sync"):
    return dict(examine(env, vec).notes)


@EVERY_VEC
@pytest.mark.parametrize("env", [odd("sound"), Env(), Env(id="Pendulum-v1"), Env(id="tests/Corridor-v0")])
def test_a_function_of_its_seed_gets_no_note_and_no_wrapper(env, vec):
    task = examine(env, vec)
    assert task.notes == task.wrappers == ()


@EVERY_VEC
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("a fresh generator", "observations of two copies differ after 0 steps"),
        ("a random reward", "rewards of two copies differ after 1 steps"),
        # two new copies agree for ever; only a used one, as after a segment, differs from a new one, as after a resume
        ("its number of resets", "observations of a new copy and a used one differ after 0 steps"),
    ],
)
def test_a_task_that_is_no_function_of_its_seed_is_named(how, words, vec):
    note = notes(odd(how), vec)["not deterministic"]
    assert words in note and "two evaluations" in note


def test_a_random_end_and_a_random_constructor_are_seen():
    assert "ends of two copies differ" in notes(odd("a random end", length=5))["not deterministic"]
    assert "observations of two copies" in notes(odd("numpy in the constructor"))["not deterministic"]


def test_a_change_after_the_first_steps_is_counted_in_steps():
    rows = [repeatable.Row([np.zeros((2, 3))], np.zeros(2), np.zeros((2, 2), bool)) for _ in range(9)]
    assert repeatable.difference(rows, rows) is None
    rows[7].observations[0][1, 2] = -0.0  # equal as a number, not as bits
    assert repeatable.difference(rows, rows[:3]) == "observations of two copies differ after 7 steps"


@EVERY_VEC
@pytest.mark.parametrize(
    ("how", "library"), [("numpy", "NumPy"), ("python", "Python"), ("seeds numpy in its reset", "NumPy")]
)
def test_a_task_with_global_generators_is_made_a_function_of_its_seed(how, library, vec):
    env = odd(how)
    task = examine(env, vec)
    ((label, text),) = task.notes
    assert label == "global generator" and f"from {library}'s" in text
    with preserved_generators():
        one = played(env, vec, task.wrappers, [1, 2])
        other = played(env, vec, task.wrappers, [2, 1])
    np.testing.assert_array_equal(one, other[:, ::-1])  # whatever the neighbours are
    assert not np.array_equal(one[:, 0], one[:, 1])


def test_without_its_own_generators_a_slot_would_depend_on_its_neighbours():
    with preserved_generators():
        one = played(odd("numpy"), "sync", (), [1, 2])
        other = played(odd("numpy"), "sync", (), [2, 1])
    assert not np.array_equal(one, other[:, ::-1])


def played(env, vec, wrappers, seeds, steps=40):
    """Observations [T, S, D] after a reset with these seeds."""
    with closing(GymnasiumVec(env, len(seeds), vec, wrappers)) as envs:
        return np.stack([envs.reset(seeds)] + [envs.step(np.zeros((len(seeds), 1))).obs for _ in range(steps)])


@pytest.mark.parametrize("how", ["numpy", "python", "seeds numpy in its reset", "sound"])
def test_an_examination_leaves_the_callers_global_generators_alone(how):
    def draws():
        return [np.random.standard_normal(), *np.random.random(3), random.random()]

    with preserved_generators():
        np.random.seed(5)
        random.seed(5)
        np.random.standard_normal()  # the legacy generator keeps a second number for the next call
        undisturbed = draws()
        np.random.seed(5)
        random.seed(5)
        np.random.standard_normal()
        examine(odd(how))
        assert draws() == undisturbed


def test_training_leaves_the_callers_global_generators_alone(configure, train):
    with preserved_generators():
        random.seed(5)
        np.random.seed(5)
        before = random.getstate(), np.random.get_state()[1].tolist()
        train(configure(env__id="tests/Odd-v0", env__kwargs={"how": "numpy"}))
        assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_two_runs_and_a_member_of_a_population_agree_on_a_task_with_global_generators(configure, train, differences):
    configs = [configure(env__id="tests/Odd-v0", env__kwargs={"how": "python"}, seed=seed) for seed in range(2)]
    members = train(*configs)
    for config, member in zip(configs, members):
        (alone,) = train(config)
        assert differences(alone, member) == []


@EVERY_VEC
@pytest.mark.parametrize("how", ["a list of one", "an array of one", "a matrix of one"])
def test_a_reward_of_one_number_is_taken(how, vec):
    task = examine(odd(how), vec)
    assert task.wrappers == (OneNumberReward,)
    with closing(GymnasiumVec(odd(how), 2, vec, task.wrappers)) as envs:
        envs.reset([1, 2])
        rewards = envs.step(np.zeros((2, 1))).rewards
    assert rewards.tolist() == [1.5, 1.5] and rewards.dtype == np.float64


@EVERY_VEC
@pytest.mark.parametrize(
    ("env", "words"),
    [
        (Env(id="tests/OldReset-v0"), "its reset takes no seed, .* Gymnasium wants reset"),
        (Env(id="tests/BareReset-v0"), "its reset returns ndarray alone; Gymnasium wants reset"),
        (Env(id="tests/OldStep-v0"), "its step returns 4 values, the last of them dict; Gymnasium wants step"),
        (odd("two numbers"), r"its reward is \[1.0, 2.0\]; Gymnasium wants one number"),
        (odd("a word"), "its reward is 'much'; Gymnasium wants one number"),
        (odd("a number in text"), "its reward is '1.5'; Gymnasium wants one number"),
        (odd("no reward"), "its reward is None; Gymnasium wants one number"),
    ],
)
def test_a_task_written_for_another_interface_is_refused_in_words(env, words, vec):
    with pytest.raises(UserError, match=f"^env.id={env.id}: {words}"):
        examine(env, vec)


@EVERY_VEC
def test_an_observation_of_another_shape_is_told_by_both_shapes(vec):
    env = odd("a longer observation")
    with closing(GymnasiumVec(env, 2, vec, examine(env, vec).wrappers)) as envs:
        envs.reset([1, 2])
        with pytest.raises(
            UserError, match=r"its step failed with ValueError: an observation of shape \(4,\), not \(3,\)$"
        ):
            envs.raw_step(np.zeros((2, 1)))


def test_a_signal_below_float32_is_named():
    note = notes(odd("far away"))["precision"]
    assert "number 0 of the observation ran from 99999999.0" in note and "subtract the constant" in note


@pytest.mark.parametrize(
    ("offset", "swing", "lost"),
    [
        (1e8, 10.0, True),
        (1e8, 1000.0, False),
        (1.0, 1e-9, False),
        (0.0, 1e-30, False),
        (1e8, 0.0, False),
        (1e39, 1e9, False),
    ],
)
def test_a_signal_is_lost_where_float32_has_fewer_than_eight_values_for_it(offset, swing, lost):
    # float32 has steps of 8 at 1e8; a constant has no signal, rounding of small numbers is none either
    rows = [np.array([offset + swing * t / 10, 0.5]) for t in range(11)]
    assert (lost_in_float32(rows) is not None) == lost


def test_numpys_generator_alone_is_swapped_where_python_s_is_not_used():
    (wrapper,) = examine(odd("numpy")).wrappers
    assert isinstance(wrapper, partial) and wrapper.func is OwnGenerators
    assert wrapper.keywords == {"python": False}


def test_a_slow_task_is_played_for_fewer_steps(monkeypatch):
    monkeypatch.setattr(repeatable, "SECONDS", 0.0)
    with closing(GymnasiumVec(Env(), 2)) as copies:
        history, again = repeatable.play(copies)
    assert len(history) == 4 and len(again) == 2  # a reset and a step of each part
