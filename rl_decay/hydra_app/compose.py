"""From Hydra's composed configuration to ours: schema, strict check, words for what Hydra refuses, resolvers."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rl_decay.config.checks import check
from rl_decay.config.schema import Config, flat
from rl_decay.envs.modules import VERSIONED, look_in
from rl_decay.errors import UserError
from rl_decay.runs.summary import experiment_keys, fingerprint


def checked(cfg: DictConfig) -> Config:
    """The composed configuration as a Config that can be run; UserError otherwise.

    It is merged once more into the schema, because Hydra lets `+new.key=1` through.
    """
    return check(strict(cfg))


def strict(cfg: DictConfig) -> Config:
    """The composed configuration as a Config, unchecked; UserError for a key or type that the schema lacks."""
    try:
        values = OmegaConf.to_container(_own(cfg), resolve=True)
        config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
    except OmegaConfBaseException as error:
        raise UserError(explanation(error)) from None
    config.env.id = _full_id(config.env.id)
    return config


def _full_id(env_id: str) -> str:
    """A typed id with its version; its module may lie in the folder where the person typed it."""
    look_in(HydraConfig.get().runtime.cwd if HydraConfig.initialized() else Path.cwd(), env_id)
    if VERSIONED.search(env_id):
        return env_id
    from rl_decay.envs.registry import with_version  # Gymnasium takes half a second to import: not for every --help

    return with_version(env_id)


def _own(cfg: DictConfig) -> DictConfig:
    """The configuration without Hydra's part."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


EXTRAS = ("hydra/launcher/joblib", "hydra/sweeper/optuna")


def one_line(text: str) -> str:
    """Hydra's message without its search path, and the options it lists after each other."""
    for option in EXTRAS:
        if f"'{option}'" in text:
            return f"{option} needs the extra `sweep`: pip install -c constraints.txt -e '.[sweep]'"
    text = text.split("Config search path")[0].strip()
    for pattern, joint in ((r"\n\n", ". "), (r":\n\s+", ": "), (r"\n\s+", ", "), (r"\n", "; ")):
        text = re.sub(pattern, joint, text)
    return text


def explanation(error: OmegaConfBaseException) -> str:
    """One line that names the key, with the nearest key of the schema where it is unknown."""
    key = str(error.full_key or error.key)
    known = {known.rsplit(".", depth)[0] for known in flat(Config()) for depth in range(3)}  # sections too
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near and near[0] != key else ""
    if whole := re.search(r"Value '([\d.]+)' of type 'float' could not be converted to Integer", str(error)):
        hint = f"; write {float(whole[1]):_.0f}"
    return f"{key}: {str(error).splitlines()[0]}{hint}"


def _short_fingerprint(_root_: Any) -> str:
    """First 8 of the fingerprint, for folder names; of the bare text where the job itself will be refused."""
    try:
        return fingerprint(experiment_keys(strict(_root_)))[:8]
    except (UserError, ValueError):
        return fingerprint({"refused": repr(OmegaConf.to_container(_own(_root_)))})[:8]


def register() -> None:
    """Make schema and resolvers known to Hydra; done on import, so that worker processes have them too."""
    schema = OmegaConf.structured(Config)
    OmegaConf.set_struct(schema.env.kwargs, False)  # its keys are the environment's: env.kwargs.x=1 without a +
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("fingerprint", _short_fingerprint, replace=True)


register()
