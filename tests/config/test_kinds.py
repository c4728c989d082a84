"""Kinds of values in files: what fits, and the words for what does not."""

import pytest

from rl_decay.config.kinds import LARGEST, Fields, Whole, kind_problem
from rl_decay.config.recorded import KEY_KINDS, config_to_compare, config_to_train
from rl_decay.config.schema import Config, flat, walk
from rl_decay.errors import UserError

WHOLE = flat(Config())
FITTING = [
    (True, bool),
    (3, int),
    (-LARGEST, int),
    (3, float),
    (0.5, float),
    ("x", str),
    (None, float | None),
    ([1, 2], list[int]),
    ({"a": None}, dict[str, str | None]),
    ("b", ("a", "b")),
    (1, Whole(1)),
    ({"a": 1, "free": []}, Fields({"a": int}, {"b": str})),
]
UNFIT = [
    (1, bool, "x is 1, not true or false"),
    (True, int, "x is True, not a whole number"),
    (1.0, int, "x is 1.0, not a whole number"),
    (LARGEST + 1, int, "not a whole number"),
    (False, float, "x is False, not a finite number"),
    (float("inf"), float, "not a finite number"),
    (None, str, "x is None, not text"),
    ("1", float | None, "x is '1', not a finite number or null"),
    ([1, "2"], list[int], "x[1] is '2', not a whole number"),
    ({"a": 1}, dict[str, str], "x.a is 1, not text"),
    ([], dict[str, str], "x is [], not an object"),
    ({}, list[str], "x is {}, not a list"),
    ("c", ("a", "b"), "x is 'c', not one of a, b"),
    (["a"], ("a", "b"), "not one of a, b"),
    (0, Whole(1), "x is 0, not a whole number of at least 1"),
    ({}, Fields({"a": int}), "it has no x.a"),
    ({"a": 1, "b": 2}, Fields({"a": int}, {"b": str}), "x.b is 2, not text"),
    (3, Fields({}), "x is 3, not an object"),
    ("y" * 1000, int, "..., not a whole number"),
]


@pytest.mark.parametrize(("value", "kind"), FITTING, ids=repr)
def test_a_value_of_its_kind_fits(value, kind):
    assert kind_problem(value, kind, "x") is None


@pytest.mark.parametrize(("value", "kind", "words"), UNFIT, ids=lambda value: repr(value)[:30])
def test_a_value_of_another_kind_is_named_with_what_it_should_be(value, kind, words):
    problem = kind_problem(value, kind, "x")
    assert words in problem and len(problem) < 120


def test_every_key_of_the_schema_has_a_kind_which_its_default_fits():
    assert KEY_KINDS.keys() == WHOLE.keys()
    assert [key for key, value in WHOLE.items() if kind_problem(value, KEY_KINDS[key])] == []


@pytest.mark.parametrize("key", KEY_KINDS)
def test_a_recorded_value_of_a_wrong_kind_is_refused_by_file_and_key(key):
    for value in ([None] if key != "env.wrappers" else "a.B", {"a": [1]} if key != "env.kwargs" else 1, 1j):
        with pytest.raises(UserError, match=f"^a file: {key}"):
            config_to_compare(WHOLE | {key: value}, "a file")


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(UserError, match=r"^a file: its configuration has the key algo\.magic, unknown"):
        config_to_compare(WHOLE | {"algo.magic": 1}, "a file")


@pytest.mark.parametrize("key", WHOLE)
def test_a_missing_key_has_its_default_if_it_is_younger_than_some_runs_or_decides_nothing(key):
    values = {name: value for name, value in WHOLE.items() if name != key}
    (about,) = [about for name, _, about in walk(Config()) if name == key]
    if about["later"] or not about["experiment"]:
        assert config_to_compare(values, "a file") == Config()
    else:
        with pytest.raises(UserError, match=f"^a file: its configuration lacks the key {key}"):
            config_to_compare(values, "a file")


def test_what_is_to_be_trained_must_be_possible_too():
    assert config_to_compare(WHOLE | {"env.num_envs": 0}, "a file").env.num_envs == 0
    with pytest.raises(UserError, match=r"^a file: env\.num_envs=0: must be"):
        config_to_train(WHOLE | {"env.num_envs": 0}, [], "a file")
