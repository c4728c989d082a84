"""From a composed configuration to a Config; for the jobs of a sweep, only what differs from the last job is converted.

OmegaConf takes 20 milliseconds to build the schema, merge a configuration into it and make the object.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rl_decay.config.schema import Config, flat, unflat

Values = dict[str, Any]


class Converter:
    """Makes Configs, and remembers the last one: by dotted key, its composed values and those of its Config."""

    def __init__(self) -> None:
        self._defaults = flat(Config())
        self._composed: Values = {}
        self._converted: Values = {}

    def config(self, cfg: DictConfig) -> Config:
        """The configuration without Hydra's section as a Config, its rules unchecked. Errors: OmegaConf's own."""
        composed = self._without_interpolations(cfg)
        converted = None if composed is None else self._as_the_last(composed)
        if converted is not None:
            return unflat(converted)
        # Merged once more into the schema, because Hydra lets `+new.key=1` through.
        values = OmegaConf.to_container(without_hydra(cfg), resolve=True)
        config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
        if composed is not None:
            self._composed = composed
            self._converted = flat(copy.deepcopy(config))
        return config

    def _without_interpolations(self, cfg: DictConfig) -> Values | None:
        """The composed values by key; None where there is an interpolation, a missing value or a key of no schema."""
        values: Values = {}
        for name in cfg:
            if name == "hydra":
                continue
            node = cfg._get_node(name)
            section = OmegaConf.to_container(node) if isinstance(node, DictConfig) else node._value()  # type: ignore
            _flatten(section, str(name), self._defaults, values)
        if values.keys() != self._defaults.keys() or _has_references(list(values.values())):
            return None
        return values

    def _as_the_last(self, composed: Values) -> Values | None:
        """The values of the Config by key; None where more differs from the last one than single values."""
        if not self._composed:
            return None
        converted = dict(self._converted)
        for key, value in composed.items():
            last = self._composed[key]
            # `repr`, because 1, 1.0 and True are equal.
            if type(value) is type(last) and repr(value) == repr(last):
                continue
            if not isinstance(value, (str, int, float)):  # None may be refused; lists and dicts are merged
                return None
            schema = _typed()
            # Written into the node as a merge does it; an error is raised again, with its key, by the whole merge.
            try:
                OmegaConf.update(schema, key, value)
            except Exception:
                return None
            converted[key] = OmegaConf.select(schema, key)
        return converted


@cache
def _typed() -> DictConfig:
    """The schema as OmegaConf sees it, in which a single value gets the type of its key."""
    return OmegaConf.structured(Config)


def without_hydra(cfg: DictConfig) -> DictConfig:
    """The configuration without its section `hydra`."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _flatten(value: Any, key: str, keys: Values, to: Values) -> None:
    """Add the values below a section under their dotted keys."""
    if isinstance(value, dict) and key not in keys:
        for name, item in value.items():
            _flatten(item, f"{key}.{name}", keys, to)
    else:
        to[key] = value


def _has_references(values: list[Any]) -> bool:
    """Whether a text may stand for another value: an interpolation, or OmegaConf's mark of a missing one."""
    for value in values:
        if isinstance(value, str):
            if "${" in value or value == "???":
                return True
        elif isinstance(value, dict):
            if _has_references([*value, *value.values()]):
                return True
        elif isinstance(value, list) and _has_references(value):
            return True
    return False
