"""Flat observations against Gymnasium's own `flatten`, sample by sample; and what a task may not give."""

import io
from collections import OrderedDict
from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Graph, MultiBinary, MultiDiscrete, OneOf, Sequence, Text, Tuple
from gymnasium.vector.utils import concatenate, create_empty_array
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from trained import train_configs

from rl_decay.config.schema import Env
from rl_decay.console.run_tables import plan_table
from rl_decay.envs.examine import examine
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import ShapeChecked
from rl_decay.envs.observations import Flattening
from rl_decay.errors import UserError

EVERY_VEC = pytest.mark.parametrize("vec", ["sync", "async"])
SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)
DTYPES = st.sampled_from([np.float32, np.float64, np.float16, np.uint8, np.int32, np.int64, np.bool_])


def box(shape, dtype):
    low, high = (0, 1) if dtype in (np.bool_, np.uint8) else (-1000, 1000)
    return Box(low, high, shape, dtype)


def multi_discrete(nvec, start):
    return MultiDiscrete(nvec, start=np.full(np.shape(nvec), start))


LEAVES = st.one_of(
    st.builds(box, SHAPES, DTYPES),
    st.builds(lambda n, start: Discrete(n, start=start), st.integers(1, 6), st.integers(-5, 5)),
    st.builds(multi_discrete, st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(-5, 5)),
    st.builds(multi_discrete, st.just([[2, 3, 1], [4, 1, 5]]), st.integers(-5, 5)),
    st.builds(MultiBinary, st.one_of(st.integers(1, 5), st.just((2, 3)))),
)
NAMES = st.text(alphabet="zyxabc", min_size=1, max_size=3)


def nested(spaces):
    pairs = st.dictionaries(NAMES, spaces, min_size=1, max_size=4)
    tuples = st.lists(spaces, min_size=1, max_size=3).map(Tuple)
    return st.one_of(pairs.map(Dict), pairs.map(OrderedDict).map(Dict), tuples)


SPACES = st.recursive(LEAVES, nested, max_leaves=8)


def batch_of(space, samples):
    """What a vector environment makes of so many observations."""
    return concatenate(space, samples, create_empty_array(space, len(samples)))


@settings(max_examples=200, deadline=None)
@given(SPACES, st.integers(0, 2**31), st.integers(1, 4))
def test_rows_are_those_of_gymnasiums_flatten(space, seed, count):
    space.seed(seed)
    samples = [space.sample() for _ in range(count)]
    flattening = Flattening("Mine-v0", space)
    rows = flattening.encode(batch_of(space, samples))
    assert rows.dtype == np.float32 and rows.flags.c_contiguous
    assert flattening.size == gym.spaces.flatdim(space) == rows.shape[1]
    for row, sample in zip(rows, samples, strict=True):
        np.testing.assert_array_equal(row, gym.spaces.flatten(space, sample).astype(np.float32))
    # and a policy may be asked with a batch or with one observation
    values, batched = flattening.batch(batch_of(space, samples))
    assert batched and (flattening.joined(values) == rows).all()
    values, batched = flattening.batch(samples[0])
    assert not batched and (flattening.joined(values) == rows[:1]).all()


def test_parts_are_named_in_gymnasiums_order_with_their_sizes():
    space = Dict(
        {"goal": Box(0, 1, (3,)), "a": Tuple((Discrete(4), Dict({"z": MultiBinary(2), "y": Box(0, 1, (2, 2))})))}
    )
    assert Flattening("Mine-v0", space).order() == "a.0: 4, a.1.y: 4, a.1.z: 2, goal: 3"
    kept = Dict(OrderedDict(b=Discrete(2), a=Discrete(1200)))  # an ordered dict keeps its order
    assert Flattening("Mine-v0", kept).order() == "b: 2, a: 1,200"
    for plain in (Box(0, 1, (3,)), Discrete(3), MultiDiscrete([2, 3]), MultiBinary(2)):
        assert Flattening("Mine-v0", plain).order() == ""


def test_the_plan_prints_the_order(configure, tmp_path):
    plans = []

    def show(config, plan, device):
        out = io.StringIO()
        Console(width=200, file=out).print(plan_table(config, plan, device))
        plans.append(out.getvalue())

    for name in ("Panel", "Push"):
        train_configs([configure(env__id=f"tests/{name}-v0")], [tmp_path / name], show=show)
    assert "observation parts" in plans[0] and "gauge.0: 2, gauge.1: 3, lamps: 2, target: 8" in plans[0]
    assert "observation parts" not in plans[1]


@EVERY_VEC
@pytest.mark.parametrize("obs", ["nested", "tuple", "lamps", "target"])
def test_the_same_from_copies_in_processes(obs, vec):
    env = Env(id="tests/Panel-v0", kwargs={"obs": obs})
    task = examine(env, vec)
    assert task.notes == task.wrappers == ()
    alone = [gym.make(env.id, **env.kwargs) for _ in range(2)]
    expected = [copy.reset(seed=seed)[0] for copy, seed in zip(alone, (5, 6))]
    with closing(GymnasiumVec(env, 2, vec)) as envs:
        for step in range(3):
            rows = envs.reset([5, 6]) if step == 0 else envs.step(np.zeros(2, np.int64)).obs
            for row, copy, sample in zip(rows, alone, expected):
                np.testing.assert_array_equal(
                    row, gym.spaces.flatten(copy.observation_space, sample).astype(np.float32)
                )
            expected = [copy.step(1)[0] for copy in alone]


@pytest.mark.parametrize(
    ("space", "batch", "words"),
    [
        (MultiDiscrete([2, 3]), np.array([[0, 1], [1, 3]]), r"observation \[1 3\] is outside its space MultiDiscrete"),
        (MultiDiscrete([2, 3], start=[1, 1]), np.array([[1, 1], [0, 1]]), r"observation \[0 1\] is outside its space"),
        (Dict({"a": Discrete(4)}), {"a": np.array([2, -1])}, r"observation part a: -1 is outside its space Discrete"),
        (Dict({"a": Discrete(4)}), {"a": np.array([1.0])}, r"observation part a: 1.0 is outside its space Discrete"),
        (Dict({"a": Discrete(4)}), {"a": np.array([np.nan])}, r"observation part a: nan is outside its space"),
        (Tuple((Dict({"b": Discrete(2, start=5)}),)), ({"b": np.array([7])},), "observation part 0.b: 7 is outside"),
    ],
)
def test_a_number_outside_its_space_is_named(space, batch, words):
    with pytest.raises(UserError, match=rf"^env.id=tests/Any-v0: {words}"):
        Flattening("tests/Any-v0", space).encode(batch)


BOX = Box(-1, 1, (2,))


@pytest.mark.parametrize(
    "inside", [lambda s: s, lambda s: Dict({"word": s, "a": BOX}), lambda s: Tuple((BOX, Dict(x=s)))]
)
@pytest.mark.parametrize(
    ("space", "words"),
    [
        (Text(5), r"Text\(.* is not supported \(words are no numbers\)"),
        (Graph(BOX, None), "Graph.* is not supported"),
        (Sequence(BOX), "Sequence.* is not supported"),
        (OneOf((BOX, BOX)), "OneOf.* is not supported"),
        (gym.Space(), "Space.* is not supported"),
        (Box(-1, 1, (0,)), r"Box.* has no elements; choose a task with at least one"),
    ],
)
def test_spaces_without_fixed_numbers_are_refused_by_name(space, words, inside):
    with pytest.raises(UserError, match=f"^env.id=Mine-v0: observation .*{words}") as error:
        Flattening("Mine-v0", inside(space))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("empty", [Dict({}), Tuple(()), Dict({"a": Tuple(())})])
def test_a_space_without_parts_is_refused(empty):
    with pytest.raises(UserError, match=r"observation space .* has no elements"):
        Flattening("Mine-v0", empty)


class Careless(gym.Env):
    """A Dict task that in one way, `how`, gives something else than its space says."""

    action_space = Discrete(2)
    observation_space = Dict({"a": Box(-1e9, 1e9, (2,), np.float64), "b": Tuple((Discrete(3), BOX))})

    def __init__(self, how="sound"):
        self.how = how

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return self._obs(), {}

    def step(self, action):
        self.steps += 1
        return self._obs(), 0.0, False, False, {}

    def _obs(self):
        noise = np.random.normal() if self.how == "global" else float(self.np_random.normal())
        a = np.array([1e8 + np.sin(self.steps) if self.how == "far" else noise, 0.0])
        obs = {"a": a, "b": (1, np.zeros(2, np.float32))}
        if self.steps > 0 and self.how == "longer":
            obs["b"] = (1, np.zeros(3, np.float32))
        if self.steps > 0 and self.how == "missing":
            del obs["a"]
        if self.steps > 0 and self.how == "an array":
            return np.zeros(2)
        if self.steps > 0 and self.how == "a short tuple":
            obs["b"] = (1,)
        return obs


gym.register("tests/Careless-v0", Careless, disable_env_checker=True)


@EVERY_VEC
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("longer", r"an observation's part b's part 1 of shape \(3,\), not \(2,\)"),
        ("missing", "an observation without the keys a, b"),
        ("an array", "an observation without the keys a, b"),
        ("a short tuple", "an observation's part b that is no tuple of 2"),
    ],
)
def test_an_observation_of_other_parts_is_told(how, words, vec):
    env = Env(id="tests/Careless-v0", kwargs={"how": how})
    task = examine(env, vec)
    assert task.wrappers == (ShapeChecked,) and task.parts == "a: 2, b.0: 3, b.1: 2"
    with closing(GymnasiumVec(env, 2, vec, task.wrappers)) as envs:
        envs.reset([1, 2])
        with pytest.raises(UserError, match=f"its step failed with ValueError: {words}$"):
            envs.raw_step(np.zeros(2, np.int64))


def test_precision_and_global_generators_are_asked_of_every_part():
    far = dict(examine(Env(id="tests/Careless-v0", kwargs={"how": "far"})).notes)
    assert "number 0 of part a of the observation ran from 99999999" in far["precision"]
    task = examine(Env(id="tests/Careless-v0", kwargs={"how": "global"}))
    assert [label for label, _ in task.notes] == ["global generator"]


def test_a_policy_is_told_what_is_wrong_with_an_observation():
    flattening = Flattening("Mine-v0", Careless.observation_space)
    good = {"a": np.zeros(2), "b": (1, np.zeros(2))}
    assert flattening.batch(good)[1] is False
    for bad, words in [
        ({"a": np.zeros(2)}, "has the parts a, b.0, b.1; this one has no b.0"),
        (np.zeros(3), "this one has no a"),
        (good | {"a": np.zeros(3)}, r"part a of an observation of Mine-v0 has the shape \(2,\), this one \(3,\)"),
        (good | {"a": np.zeros((4, 2))}, "batches of different lengths"),
        ({"a": np.zeros((4, 2)), "b": (np.ones(3, int), np.zeros((4, 2)))}, "batches of different lengths"),
    ]:
        with pytest.raises(ValueError, match=words):
            flattening.batch(bad)
