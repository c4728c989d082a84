"""The keys that name code: how they are written, and what is refused before anything is imported."""

import sys

import pytest

from rl_decay.config.checks import check
from rl_decay.config.code_keys import wrapper_items, wrapper_paths
from rl_decay.config.identity import experiment_values, fingerprint, population_values
from rl_decay.config.schema import Config, Env, flat
from rl_decay.errors import UserError

TIME = "gymnasium.wrappers.TimeAwareObservation"
STACK = {"wrapper": "gymnasium.wrappers.FrameStackObservation", "stack_size": 4}


def refused(**env):
    with pytest.raises(UserError) as error:
        check(Config(env=Env(**env)))
    assert str(error.value).isprintable() and len(str(error.value)) < 400
    return str(error.value)


def test_items_are_paths_or_mappings_with_arguments():
    first, second = wrapper_items([TIME, STACK])
    assert first == (f"env.wrappers[0]={TIME}", "gymnasium.wrappers", "TimeAwareObservation", {})
    assert second.name == "FrameStackObservation" and second.arguments == {"stack_size": 4}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("TimeAwareObservation", "env.wrappers[0]=TimeAwareObservation: must be an import path such as gymnasium."),
        ("my_module:MyWrapper", "env.wrappers[0]=my_module:MyWrapper: must be an import path such as"),
        ("a..B", "env.wrappers[0]=a..B: must be an import path"),
        ("a.B()", "env.wrappers[0]=a.B(): must be an import path"),
        ("", "env.wrappers[0]=: must be an import path, or a mapping with `wrapper`"),
        (None, "env.wrappers[0]=None: must be an import path, or a mapping with `wrapper`"),
        (3, "env.wrappers[0]=3: must be an import path, or a mapping with `wrapper`"),
        ({"stack_size": 4}, "env.wrappers[0]={'stack_size': 4}: must be an import path, or a mapping with `wrapper`"),
        ({"wrapper": ["a.B"]}, "must be an import path, or a mapping with `wrapper`"),
        ({"wrapper": "a.B", "env": 3}, "env.wrappers[0]=a.B: its argument env is the task"),
        ({"wrapper": "a.B", "x": float("nan")}, "env.wrappers[0]=a.B: its arguments must be plain, finite values"),
        ({"wrapper": "a.B", "x": {3j}}, "env.wrappers[0]=a.B: its arguments must be plain, finite values"),
    ],
)
def test_an_item_that_is_written_otherwise_is_named(item, words):
    assert words in refused(wrappers=[item])


def test_the_message_names_the_item_by_its_number():
    assert refused(wrappers=[TIME, "x"]).startswith("env.wrappers[1]=x: ")


def test_a_list_that_holds_itself_is_refused():
    items = []
    items.append(items)
    assert refused(wrappers=items).startswith("env.wrappers=")


def test_paths_are_read_from_items_of_any_kind():
    assert wrapper_paths([TIME, STACK, 3, None, {}, {"wrapper": 3}]) == [TIME, STACK["wrapper"], "", "", "", ""]


@pytest.mark.parametrize(
    "text", ["MyEnv", "my_module.MyEnv", "my_module:", ":MyEnv", "a:b:C", "a b:C", "a.:C", "a:B()"]
)
def test_an_entry_point_is_a_module_and_a_name(text):
    assert refused(entry_point=text) == f"env.entry_point={text}: must be module:Name, such as my_module:MyEnv"


def test_an_entry_point_names_the_task():
    config = check(Config(env=Env(entry_point="nowhere.at_all:MyEnv")))
    assert config.env.id == "nowhere.at_all:MyEnv"
    assert check(config) == config  # so it is recorded, and read again
    assert "nowhere" not in sys.modules


def test_a_task_that_is_named_twice_is_refused():
    line = refused(id="Pendulum-v1", entry_point="a.b:MyEnv")
    assert line.startswith("env.id=Pendulum-v1: env.entry_point=a.b:MyEnv makes the task and names it")
    assert line.endswith("env=generic env.entry_point=a.b:MyEnv")


@pytest.mark.parametrize(("key", "value"), [("wrappers", [TIME]), ("entry_point", "a:B")])
def test_both_keys_are_part_of_the_experiment_where_they_are_given(key, value):
    plain, given = Config(), Config(env=Env(**{key: value}))
    assert f"env.{key}" not in experiment_values(plain)  # runs that were recorded without the key stay what they are
    assert experiment_values(given)[f"env.{key}"] == value
    assert fingerprint(experiment_values(given)) != fingerprint(experiment_values(plain))
    assert f"env.{key}" in population_values(plain)


def test_wrappers_stay_as_they_were_given():
    given = Config(env=Env(wrappers=(TIME, STACK)))
    assert flat(check(given))["env.wrappers"] == [TIME, STACK]
