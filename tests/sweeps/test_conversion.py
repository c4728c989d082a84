"""A Config made by its differences from the last one is the Config that OmegaConf makes."""

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rl_decay.config.schema import Config, flat
from rl_decay.hydra_app.conversion import Converter

VALUES = [0, 1, -3, 2.5, 1.0, 1e30, True, "4", "0.5", "true", "word", None, "${seed}", "???", "a${b}", [1], {"x": 1}]


def composed(**changes):
    """A configuration without types, as a file without a schema would leave it, and a section `hydra`."""
    cfg = OmegaConf.create({**OmegaConf.to_container(OmegaConf.structured(Config)), "hydra": {"job": {"num": 0}}})
    for key, value in changes.items():
        OmegaConf.update(cfg, key, value, merge=False)
    return cfg


def outcome(converter, cfg):
    """The values of the Config and their types, or the error."""
    try:
        return {key: (type(value), value) for key, value in flat(converter.config(cfg)).items()}
    except (OmegaConfBaseException, ValueError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("keys", [["algo.target_kl", "net.hidden"]])
def test_every_value_of_every_kind_of_key(keys):
    check(keys)


@pytest.mark.thorough
def test_every_value_of_every_key():
    check(flat(Config()))


def check(keys):
    converter = Converter()
    assert outcome(converter, composed())["seed"] == (int, 0)
    for key in keys:
        for value in VALUES:
            cfg = composed(**{key: value})
            assert outcome(converter, cfg) == outcome(Converter(), cfg), (key, value)


def test_other_keys_are_no_difference_of_values():
    converter = Converter()
    outcome(converter, composed())
    for key in ("new", "algo.new", "env.new.deep"):
        cfg = composed()
        OmegaConf.update(cfg, key, 1, force_add=True)
        assert outcome(converter, cfg) == outcome(Converter(), cfg)
    cfg = composed()
    del cfg["algo"]["clip"]
    assert outcome(converter, cfg) == outcome(Converter(), cfg)


def test_a_config_that_somebody_changes_is_nobody_elses():
    converter = Converter()
    first = converter.config(composed(**{"env.kwargs": {"x": [1]}}))
    first.env.kwargs["x"].append(2)
    first.net.hidden.append(7)
    second = converter.config(composed(**{"env.kwargs": {"x": [1]}, "seed": 3}))
    second.env.kwargs["x"].append(2)
    third = converter.config(composed(**{"env.kwargs": {"x": [1]}, "seed": 4}))
    assert third.env.kwargs == {"x": [1]} and third.net.hidden == Config().net.hidden and third.seed == 4
