"""Composition of conf/ without running anything."""

from pathlib import Path

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from rl_decay.config.schema import flat
from rl_decay.hydra_app.compose import checked

CONF = Path(__file__).parents[2] / "conf"
COMPOSED: dict[tuple[str, ...], dict[str, object]] = {}  # a composition takes a tenth of a second


@pytest.fixture
def conf():
    """The folder of YAML files."""
    return CONF


@pytest.fixture
def compose():
    """Compose as train.py does; returns Hydra's configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda *overrides, **options: hydra_compose("config", list(overrides), **options)


@pytest.fixture
def keys(compose):
    """The configuration that overrides come to, as {dotted key: value}."""

    def composed(*overrides: str) -> dict[str, object]:
        if overrides not in COMPOSED:
            COMPOSED[overrides] = flat(checked(compose(*overrides)))
        return COMPOSED[overrides]

    return composed


@pytest.fixture
def file_keys():
    """What a file in conf/ sets, as {dotted key: value}."""

    def read(file: str) -> dict[str, object]:
        content = OmegaConf.to_container(OmegaConf.load(CONF / file))
        content.pop("defaults", None)
        return dict(leaves(content))

    return read


def leaves(content, prefix=""):
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
