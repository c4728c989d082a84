"""Batched classic control has the bits of Gymnasium's own classes, whatever happens in an episode."""

from contextlib import closing
from dataclasses import dataclass
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.classic_control.pendulum import PendulumEnv
from gymnasium.envs.registration import WrapperSpec

from rl_decay.config.schema import Env
from rl_decay.envs import batchable
from rl_decay.envs.backends import back_end_of, make_vec_env, not_batched
from rl_decay.envs.batchable import TASKS, dynamics_of
from rl_decay.envs.same_bits import float32_squared, squared
from rl_decay.errors import UserError


def at_random(continuous, options):
    """A policy without aim; its normal actions reach beyond both bounds."""

    def act(obs, rng):
        return (
            rng.normal(0, 1.5, (len(obs), 1)).astype(np.float32) if continuous else rng.integers(options, size=len(obs))
        )

    return act


def leaning(obs, rng):
    """CartPole: some slots keep the pole upright, the others lean it and run into one of the walls."""
    lean = np.linspace(-0.1, 0.1, len(obs))
    return (obs[:, 2] + 0.3 * obs[:, 3] > lean).astype(np.int64)


def along(column, low, high, obs, rng):
    """Push along a velocity, so that each swing is larger; `low` and `high` lie beyond the bounds of a Box."""
    return np.where(obs[:, column] >= 0, high, low)


def push(column):
    return lambda obs, rng: along(column, np.float32(-3), np.float32(3), obs, rng)[:, None]


POLICIES = {
    "CartPole-v1": [at_random(False, 2), leaning],
    "CartPole-v0": [leaning],
    "Acrobot-v1": [at_random(False, 3), partial(along, 5, 0, 2)],
    "MountainCar-v0": [at_random(False, 3), partial(along, 1, 0, 2)],
    "MountainCarContinuous-v0": [at_random(True, 1), push(1)],
    "Pendulum-v1": [at_random(True, 1), push(2)],
}
OUTDATED = pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date")
FIVE = [task for task in POLICIES if task != "CartPole-v0"]
VARIANTS = {
    "sutton_barto_reward": Env(id="CartPole-v1", kwargs={"sutton_barto_reward": True}),
    "v0": Env(id="CartPole-v0"),
    "g": Env(id="Pendulum-v1", kwargs={"g": 9.81}),
    "whole g": Env(id="Pendulum-v1", kwargs={"g": 3}),
    "goal_velocity": Env(id="MountainCar-v0", kwargs={"goal_velocity": 0.05}),
    "unreachable goal": Env(id="MountainCar-v0", kwargs={"goal_velocity": 1, "max_episode_steps": 400}),
    "continuous goal_velocity": Env(id="MountainCarContinuous-v0", kwargs={"goal_velocity": 0.03}),
    "continuous, unreachable": Env(id="MountainCarContinuous-v0", kwargs={"goal_velocity": 1}),
    "short": Env(id="Acrobot-v1", kwargs={"max_episode_steps": 7}),
    "one step": Env(id="CartPole-v1", kwargs={"max_episode_steps": 1}),
    "endless": Env(id="Pendulum-v1", kwargs={"max_episode_steps": -1}),
    "the task's own limit": Env(id="MountainCar-v0", kwargs={"max_episode_steps": None}),
    "rescaled": Env(id="Pendulum-v1", rescale_actions=True),
}


def compare(env, policy, slots, steps, squash="none", masked=False):
    """Step both back-ends side by side; returns the observations that both gave, and how many episodes ended how."""
    rng = np.random.default_rng(np.random.SeedSequence(7))
    seeds = rng.integers(2**31, size=slots).tolist()
    seen, ends = [], np.zeros(2, int)
    with closing(make_vec_env(env, slots, "sync", squash=squash)) as copies:
        batched = make_vec_env(env, slots, "batched", squash=squash)
        assert batched.spaces == copies.spaces and batched.time_limit == copies.time_limit
        obs = copies.reset(seeds)
        assert_equal(obs, batched.reset(seeds))
        running = np.ones(slots, bool)
        for _ in range(steps):
            actions = policy(obs, rng)
            stepped = running.copy() if masked else None
            expected, step = copies.step(actions, stepped), batched.step(actions, stepped)
            for one, other in zip(expected, step, strict=True):
                assert_equal(one[running], other[running])
            if masked:
                running &= ~(step.terminated | step.truncated)
            obs = expected.obs
            seen.append(obs)
            ends += expected.terminated.sum(), expected.truncated.sum()
    return np.concatenate(seen), tuple(ends)


def assert_equal(one, other):
    assert one.dtype == other.dtype and one.shape == other.shape
    assert one.tobytes() == other.tobytes()


def assert_bits(task, slots, steps):
    """All policies of a task, with so many slot-steps in all; each kind of end that there is must have been reached."""
    policies = POLICIES[task]
    results = [compare(Env(id=task), policy, slots, steps // len(policies)) for policy in policies]
    obs = np.concatenate([result[0] for result in results])
    terminated, truncated = np.sum([result[1] for result in results], axis=0)
    assert truncated and (terminated or task == "Pendulum-v1")
    if task.startswith("MountainCar"):
        assert obs[:, 0].min() == np.float32(-1.2)  # the wall
    if task.startswith("CartPole"):
        assert obs[:, 0].min() < -2.4 and obs[:, 0].max() > 2.4
    if task == "Pendulum-v1":
        assert obs[:, 2].min() == -8 and obs[:, 2].max() == 8


@pytest.mark.parametrize("task", FIVE)
def test_the_bits_are_gymnasiums(task):
    slots = 10 if task == "MountainCarContinuous-v0" else 20  # whose episodes may take 999 steps
    assert_bits(task, slots, 20_000 // slots)


@pytest.mark.slow
@pytest.mark.parametrize("task", FIVE)
def test_the_bits_are_gymnasiums_over_a_million_steps(task):
    assert_bits(task, 250, 4_000)


@OUTDATED
@pytest.mark.parametrize("env", VARIANTS.values(), ids=VARIANTS)
def test_arguments_and_time_limits_are_the_originals(env):
    compare(env, POLICIES[env.id][-1], 7, 450)


@pytest.mark.parametrize("task", ["Pendulum-v1", "MountainCarContinuous-v0"])
def test_squashed_actions_are_the_same(task):
    compare(Env(id=task), at_random(True, 1), 5, 120, squash="tanh")


@OUTDATED
@pytest.mark.parametrize("task", POLICIES)
def test_an_evaluation_steps_each_slot_to_the_end_of_its_first_episode(task):
    kwargs = {"max_episode_steps": 150}
    _, ends = compare(Env(id=task, kwargs=kwargs), POLICIES[task][0], 11, 160, masked=True)
    assert sum(ends) >= 11


@pytest.mark.parametrize("task", FIVE)
def test_a_slot_that_is_left_out_stays_where_it_is(task):
    env = Env(id=task)
    slots = make_vec_env(env, 3, "batched")
    alone = make_vec_env(env, 1, "batched")
    slots.reset([5, 6, 7])
    alone.reset([6])
    rng = np.random.default_rng(0)
    for number in range(60):
        actions = POLICIES[task][0](np.zeros((3, 6)), rng)
        stepped = np.array([True, number % 2 == 0, False])
        step = slots.step(actions, stepped)
        if stepped[1]:
            for one, other in zip(step, alone.step(actions[1:2])):
                assert_equal(one[1:2], other)


@pytest.mark.parametrize("task", FIVE)
def test_seeded_again_a_slot_forgets_what_was(task):
    slots = make_vec_env(Env(id=task, kwargs={"max_episode_steps": 3}), 2, "batched")
    policy = POLICIES[task][0]

    def played():
        rows = [slots.reset([3, 4])]
        rng = np.random.default_rng(0)
        for _ in range(100):  # more episodes than a slot draws resets for at once
            rows.append(slots.step(policy(rows[-1], rng)).obs)
        return np.stack(rows)

    assert_equal(played(), played())


def test_steps_from_any_state_are_the_originals():
    """States that a policy hardly reaches: beyond all bounds, several turns away, right at a wall."""
    rng = np.random.default_rng(0)
    span = {"CartPole-v1": (3, 5, 0.5, 5), "Acrobot-v1": (7, 7, 14, 30), "Pendulum-v1": (60, 9)}
    for task, widths in span.items():
        dynamics, _ = dynamics_of(Env(id=task))
        states = rng.uniform(-1, 1, (len(widths), 300)) * np.array(widths)[:, None]
        policy = POLICIES[task][0]
        actions = policy(states.T, rng).clip(-2, 2)
        moved = dynamics.step(states, actions)
        original = gym.make(task).unwrapped
        for slot in range(300):
            original.reset()
            original.state = states[:, slot].copy()
            obs, reward, terminated, _, _ = original.step(actions[slot])
            assert_equal(obs, moved.obs[slot])
            assert (reward, terminated) == (moved.rewards[slot], moved.terminated[slot])
            assert_equal(np.asarray(original.state), np.ascontiguousarray(moved.state[:, slot]))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 31, 300])
def test_squares_are_those_of_single_numbers_for_every_number_of_slots(count):
    values = np.random.default_rng(count).uniform(-8, 8, (3_000 // count, count))
    for row in values:
        assert_equal(squared(row), np.array([number**2 for number in row]))
        narrow = row.astype(np.float32)
        assert_equal(np.ascontiguousarray(float32_squared(narrow)), np.array([number**2 for number in narrow]))


@pytest.fixture
def register():
    """Put a task into Gymnasium's registry for the time of a test."""
    names = []

    def put(name, **values):
        gym.register(name, **values)
        names.append(name)
        return name

    yield put
    for name in names:
        del gym.registry[name]


class OwnCartPole(CartPoleEnv):
    """A person's own variant."""


@dataclass
class Maker:
    """Can be called, but not hashed."""

    def __call__(self, **arguments):
        return CartPoleEnv(**arguments)


@pytest.mark.parametrize("task", [*POLICIES, "CartPole"])
def test_auto_takes_batched_for_gymnasiums_own_classes(task):
    assert back_end_of(Env(id=task), "auto") == "batched"
    assert not_batched(Env(id=task), "auto") == []


def test_auto_takes_it_for_another_registration_of_the_class(register):
    named = register("tests/Named-v0", entry_point="gymnasium.envs.classic_control:AcrobotEnv")
    assert back_end_of(Env(id=named), "auto") == "batched"
    task = register("tests/Heavy-v0", entry_point=PendulumEnv, max_episode_steps=30, kwargs={"g": 20.0})
    assert back_end_of(Env(id=task), "auto") == "batched"
    assert compare(Env(id=task), push(2), 3, 70)[1] == (0, 6)


def test_auto_takes_sync_for_everything_else(register):
    spec = WrapperSpec("Clip", "gymnasium.wrappers:ClipReward", {"min_reward": 0})
    registered = {
        "a class of one's own": register("tests/OwnCartPole-v0", entry_point=OwnCartPole),
        "an object": register("tests/Made-v0", entry_point=Maker()),
        "a string": register("tests/ByName-v0", entry_point=f"{__name__}:OwnCartPole"),
        "a wrapper": register("tests/Wrapped-v0", entry_point=CartPoleEnv, additional_wrappers=(spec,)),
        "an argument": register("tests/Drawn-v0", entry_point=CartPoleEnv, kwargs={"render_mode": "rgb_array"}),
        "another task": "tests/Corridor-v0",
    }
    assert {name: back_end_of(Env(id=task), "auto") for name, task in registered.items()} == dict.fromkeys(
        registered, "sync"
    )
    assert back_end_of(Env(id="CartPole-v1", wrappers=["gymnasium.wrappers.TimeAwareObservation"]), "auto") == "sync"
    assert back_end_of(Env(entry_point="gymnasium.envs.classic_control:CartPoleEnv"), "auto") == "sync"
    assert back_end_of(Env(id="CartPole-v1", timeout=5.0), "auto") == "async"


REFUSALS = {
    "another task": (Env(id="tests/Corridor-v0"), "env.id=tests/Corridor-v0 is no task of Gymnasium's classic control"),
    "an entry point": (
        Env(entry_point="gymnasium.envs.classic_control:CartPoleEnv"),
        "env.entry_point=gymnasium.envs.classic_control:CartPoleEnv is no task",
    ),
    "a wrapper": (Env(wrappers=["gymnasium.wrappers.TimeAwareObservation"]), "env.wrappers puts wrappers around"),
    "an unknown argument": (Env(kwargs={"speed": 3}), "env.kwargs.speed=3 is no argument that the simulation of CartP"),
    "a value of another kind": (Env(kwargs={"sutton_barto_reward": "no"}), "env.kwargs.sutton_barto_reward=no is no"),
    "a number that is none": (Env(id="Pendulum-v1", kwargs={"g": True}), "env.kwargs.g=True is no argument"),
    "an immense number": (Env(id="Pendulum-v1", kwargs={"g": 10**400}), "env.kwargs.g=1000"),
    "a goal between two roundings": (
        Env(id="MountainCarContinuous-v0", kwargs={"goal_velocity": 0.0700000001}),
        "env.kwargs.goal_velocity=0.0700000001 is no argument",
    ),
}


@pytest.mark.parametrize("env, words", REFUSALS.values(), ids=REFUSALS)
def test_batched_is_refused_in_one_line_that_names_the_way_out(env, words):
    for ask in (partial(make_vec_env, env, 2), partial(back_end_of, env)):
        with pytest.raises(UserError) as error:
            ask("batched")
        message = str(error.value)
        assert message.startswith("vec=batched: ") and words in message
        assert message.endswith("; set vec=sync") and "\n" not in message and len(message) < 400
    assert back_end_of(env, "auto") == "sync"


def test_an_untested_gymnasium_is_not_batched_and_a_note_says_why(monkeypatch):
    env = Env(id="Pendulum-v1")
    monkeypatch.setattr(batchable, "TESTED_GYMNASIUM", ("1.3.0", "1.3.1"))
    (note,) = not_batched(env, "auto")
    assert note.label == "vec" and "(sync)" in note.text
    assert f"tested for Gymnasium 1.3.0, 1.3.1, and {gym.__version__} is installed" in note.text
    assert back_end_of(env, "auto") == "sync" and not_batched(env, "sync") == []
    assert not_batched(Env(id="tests/Corridor-v0"), "auto") == []
    with pytest.raises(UserError, match=r"1\.3\.0, 1\.3\.1"):
        back_end_of(env, "batched")


def test_so_is_a_processor_with_other_roundings(monkeypatch):
    env = Env(id="Acrobot-v1")
    monkeypatch.setattr(batchable, "_has_same_bits", lambda task: False)
    assert back_end_of(env, "auto") == "sync"
    with pytest.raises(UserError, match="NumPy rounds arrays otherwise"):
        back_end_of(env, "batched")


def test_a_difference_in_rounding_is_noticed(monkeypatch):
    for module in ("acrobot", "classic_control"):
        monkeypatch.setattr(f"rl_decay.envs.{module}.squared", np.square)
    tasks = {task.original.__name__: task.has_same_bits() for task in TASKS}
    assert not tasks["AcrobotEnv"] and not tasks["PendulumEnv"] and tasks["CartPoleEnv"]


def test_the_installed_gymnasium_is_a_tested_one():
    assert gym.__version__ in batchable.TESTED_GYMNASIUM  # a newer one: run the slow tests of this file, then add it
