"""Compose the jobs of a sweep as Hydra does, but once for all jobs that differ in plain values alone.

Hydra takes a tenth of a second per job: it reads the YAML files, builds the list of defaults and merges it. None of
that depends on the value of a key such as seed or actor.lr, which Hydra writes into the merged configuration at the
end.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from rl_decay.config.schema import Config, flat

# Keys with one value each. A list or a dict is merged into what the key holds, so an earlier job's would be seen.
PLAIN_KEYS = frozenset(key for key, value in flat(Config()).items() if not isinstance(value, (list, dict)))
MOST = 256  # templates, of 20 kB each, and 100 times as many parsed overrides


class JobComposer:
    """Composes the jobs of one sweep, with the results and the errors of `loader.load_sweep_config`."""

    def __init__(self, loader: ConfigLoader, sweep_config: DictConfig):
        self.sweep_config = sweep_config
        self._loader = loader
        self._parser = OverridesParser.create(loader)
        self._parsed: dict[str, Override] = {}
        self._templates: dict[tuple[str, ...], bytes | None] = {}  # a pickled job; None: Hydra must compose each

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a job, Hydra's section included."""
        # Jobs with equal shapes differ in the values of plain keys alone.
        shape = tuple(_plain_key(word) or word for word in overrides)
        template = self._templates.get(shape)
        if template is not None:
            try:
                return self._with_values(pickle.loads(template), overrides)
            except Exception:  # a value that does not fit its key: Hydra words the error
                pass
        cfg = self._loader.load_sweep_config(self.sweep_config, list(overrides))
        if shape not in self._templates:
            if len(self._templates) >= MOST:
                self._templates.clear()
            self._templates[shape] = pickle.dumps(cfg) if self._can_be_template(cfg, overrides) else None
        return cfg

    def _can_be_template(self, cfg: DictConfig, overrides: Sequence[str]) -> bool:
        """Whether Hydra would write the values of plain keys last, and each into its key alone."""
        plain_keys = {key for word in overrides if (key := _plain_key(word))}
        groups = set(cfg.hydra.runtime.choices)
        if not plain_keys or plain_keys & groups:  # a folder of options may be called after a key
            return False
        for word in overrides:
            if _plain_key(word):
                continue
            override = self._parse(word)
            # A choice of a group is made before; a mapping given to a group is merged among the values.
            if override.key_or_group in groups and not isinstance(override.value(), dict):
                continue
            written = override.key_or_group
            if any(key == written or key.startswith(f"{written}.") for key in plain_keys):
                return False
        return True

    def _with_values(self, cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
        """A template with the plain values of a job, written in Hydra's own way."""
        all_parsed = [self._parse(word) for word in overrides]
        for word, override in zip(overrides, all_parsed, strict=True):
            if _plain_key(word):
                value = override.value()
                if not (value is None or isinstance(value, (str, int, float))):
                    raise ValueError(f"{word}: not one plain value")
                OmegaConf.update(cfg, override.key_or_group, value, merge=True)
        of_task = [override for override in all_parsed if not override.is_hydra_override()]
        cfg.hydra.overrides.task = [override.input_line for override in of_task]
        naming = cfg.hydra.job.config.override_dirname
        cfg.hydra.job.override_dirname = get_overrides_dirname(
            overrides=of_task, kv_sep=naming.kv_sep, item_sep=naming.item_sep, exclude_keys=naming.exclude_keys
        )
        return cfg

    def _parse(self, word: str) -> Override:
        if word not in self._parsed:
            if len(self._parsed) >= 100 * MOST:
                self._parsed.clear()
            self._parsed[word] = self._parser.parse_override(word)
        return self._parsed[word]


def _plain_key(word: str) -> str | None:
    """The key of an override `key=value` of one value of the schema; None for every other override."""
    key, equals, _ = word.partition("=")
    return key if equals and key in PLAIN_KEYS else None
