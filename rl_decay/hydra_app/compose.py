"""From Hydra's composed configuration to ours: schema, strict check, words for what Hydra refuses, resolvers."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

from rl_decay.config.checks import check
from rl_decay.config.code_keys import split_wrapper, task_id, two_tasks, wrapper_paths
from rl_decay.config.identity import fingerprint
from rl_decay.config.schema import Config, Env, flat
from rl_decay.envs.modules import VERSIONED, look_in
from rl_decay.errors import UserError
from rl_decay.runs.continuation import with_absolute_paths
from rl_decay.runs.naming import run_folder, short_fingerprint


def checked(cfg: DictConfig) -> Config:
    """The composed configuration as a Config that can be run, its paths absolute; UserError otherwise.

    It is merged once more into the schema, because Hydra lets `+new.key=1` through.
    """
    return check(with_absolute_paths(strict(cfg)))


def strict(cfg: DictConfig) -> Config:
    """The composed configuration as a Config, unchecked; UserError for a key or type that the schema lacks."""
    own = _own(cfg)
    try:
        values = OmegaConf.to_container(own, resolve=True)
        config: Any = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))
    except InterpolationResolutionError as error:
        raise UserError(_unresolved(own) or explanation(error)) from None
    except OmegaConfBaseException as error:
        raise UserError(explanation(error)) from None
    typed_words = OmegaConf.select(cfg, "hydra.overrides.task") or ()
    if config.env.entry_point is not None and any(word.lstrip("+").startswith("env.id=") for word in typed_words):
        raise two_tasks(config.env)  # here, because `check` cannot tell a typed CartPole-v1 from the default
    config.env.id = task_id(config.env)
    _find_modules(config.env)
    if config.env.entry_point is None:
        config.env.id = _full_id(config.env.id)
    return config


def _find_modules(env: Env) -> None:
    """Let Python find the modules of a typed task in the folder where the person typed it."""
    folder = HydraConfig.get().runtime.cwd if HydraConfig.initialized() else Path.cwd()
    look_in(folder, env.id.rpartition(":")[0])  # an entry point's, too
    for path in wrapper_paths(env.wrappers):
        look_in(folder, split_wrapper(path)[0])


def _full_id(env_id: str) -> str:
    """A typed id with its version."""
    if VERSIONED.search(env_id):
        return env_id
    from rl_decay.envs.task_ids import with_version  # Gymnasium takes half a second to import: not for every --help

    return with_version(env_id)


def _own(cfg: DictConfig) -> DictConfig:
    """The configuration without Hydra's part."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def _unresolved(node: Container, prefix: str = "") -> str | None:
    """The first key whose interpolation leads nowhere, as it was typed, and why; OmegaConf does not name the key."""
    keys = range(len(node)) if isinstance(node, ListConfig) else list(node)
    for key in keys:
        name = f"{prefix}{key}"
        try:
            value = node[key]  # type: ignore[index]
        except OmegaConfBaseException as error:
            typed = OmegaConf.to_container(node, resolve=False)[key]  # type: ignore[index]
            return f"{name}={typed}: {_reason(error)}"
        inner = _unresolved(value, f"{name}.") if isinstance(value, Container) else None
        if inner is not None:
            return inner
    return None


def _reason(error: OmegaConfBaseException) -> str:
    """OmegaConf's message without the class of what it caught, and in a sentence for a missing variable."""
    text = str(error).splitlines()[0]
    if variable := re.search(r"Environment variable '(.*)' not found", text):
        return f"the environment variable {variable[1]} is not set"
    return re.sub(r"^\w+ raised while resolving interpolation: ", "", text)


EXTRAS = ("hydra/launcher/joblib", "hydra/sweeper/optuna")


def one_line(text: str) -> str:
    """Hydra's message without its search path, and the options it lists after each other."""
    for option in EXTRAS:
        if f"'{option}'" in text:
            return f"{option} needs the extra `sweep`: pip install -c constraints.txt -e '.[sweep]'"
    text = text.split("Config search path")[0].strip()
    text = text.replace(", set env var HYDRA_FULL_ERROR=1 to see chained exception", "")
    for pattern, joint in ((r"\n\n", ". "), (r":\n\s+", ": "), (r"\n\s+", ", "), (r"\n", "; ")):
        text = re.sub(pattern, joint, text)
    return text


def explanation(error: OmegaConfBaseException) -> str:
    """One line that names the key, with the nearest key of the schema where it is unknown."""
    if error.full_key is None and error.key is None:
        return _reason(error)
    key = str(error.full_key or error.key)
    known = {known.rsplit(".", depth)[0] for known in flat(Config()) for depth in range(3)}  # sections too
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near and near[0] != key else ""
    if whole := re.search(r"Value '([\d.]+)' of type 'float' could not be converted to Integer", str(error)):
        hint = f"; write {float(whole[1]):_.0f}"
    return f"{key}: {_reason(error)}{hint}"


def _short_fingerprint(_root_: Any) -> str:
    """First 8 of the fingerprint, for folder names; of the bare text where the job itself will be refused.

    Paths stay as they were typed: older sweeps named their folders so, and their commands may be repeated.
    """
    try:
        return short_fingerprint(strict(_root_))
    except (UserError, ValueError):
        return fingerprint({"refused": repr(OmegaConf.to_container(_own(_root_)))})[:8]


def _run_folder(moment: str, _root_: Any) -> str:
    """The default folder of a run; a run that will be refused never gets to use its name."""
    try:
        return run_folder(with_absolute_paths(strict(_root_)), moment)
    except (UserError, ValueError):
        return f"runs/refused-{moment}"


def register() -> None:
    """Make schema and resolvers known to Hydra; done on import, so that worker processes have them too."""
    schema = OmegaConf.structured(Config)
    OmegaConf.set_struct(schema.env.kwargs, False)  # its keys are the environment's: env.kwargs.x=1 without a +
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("fingerprint", _short_fingerprint, replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)


register()
