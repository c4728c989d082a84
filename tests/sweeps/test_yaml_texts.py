"""Hydra's record of a job, put together from remembered texts, is what OmegaConf writes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from rl_decay.hydra_app.yaml_texts import YamlTexts

ODD = [
    *(
        "",
        " ",
        "yes",
        "null",
        "1",
        "1.5",
        "1e-3",
        "0x1f",
        "1_000",
        "12:30",
        "2001-01-01",
        "~",
        "=",
        "<<",
        "-",
        "- a",
        "a: b",
        "#",
    ),
    *(
        "seed=1",
        "seed=1,2",
        "/tmp/a b",
        "/tmp/a",
        "a/b=c",
        "a=b ",
        "a=b:",
        "a=b: c",
        "x=#1",
        "é=1",
        "a/\nb",
        "a=\t",
        "stand/in",
    ),
    *(
        "${now:%Y}/x",
        "a=${b}",
        "word " * 40,
        "/" + "a" * 300,
        "'q'",
        '"q"=1',
        "[1]=2",
        "{a}/b",
        "!t/x",
        "&a/b",
        "*a/b",
        "%a/b",
        "@a=b",
    ),
    *(0, -1, 10**30, 1.0, 1e-7, 1e300, float("inf"), float("nan"), True, False, None),
]


def check(texts, content):
    assert texts.text(content) == OmegaConf.to_yaml(OmegaConf.create(content))


@pytest.mark.parametrize("depth", [1, 3])
def test_every_kind_of_value(depth):
    texts = YamlTexts()
    for value in [*ODD, *ODD[::-1], [], {}, [[1]], ["a/b", "c=d"], ["a/b", "yes"], ["a/b", ["c"]], ODD, {"a": {}}]:
        content = {"first": 1, "key": value, "last": "a b"}
        for _ in range(depth - 1):
            content = {"above": content, "after": value}
        check(texts, content)
        check(texts, content)


def test_lists_alone():
    texts = YamlTexts()
    for items in ([], ["seed=1"], ["seed=1", "a b"], ["env=pendulum", "seed=2"], ["yes", 1, None]):
        assert texts.list_text(items) == OmegaConf.to_yaml(OmegaConf.create(items))


def test_odd_keys():
    texts = YamlTexts()
    keys = ["a/b", "stand/in", "yes", "null", "1", "a b", "a:", "", "é", "k" * 70, "k" * 200, 1, 2.5, True]
    for key in keys:
        check(texts, {"a": {key: {"b": "x/y"}}, "c": {key: 1}})
        check(texts, {key: "x/y"})


TEXT = st.text("ab1./=- :#$'\"\n", max_size=12).filter(lambda text: "${" not in text)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
CONTENT = st.recursive(
    VALUES | st.lists(VALUES, max_size=3), lambda inner: st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(TEXT, CONTENT, max_size=3), min_size=1, max_size=3))
def test_any_content(contents):
    texts = YamlTexts()
    for content in contents:
        check(texts, content)
