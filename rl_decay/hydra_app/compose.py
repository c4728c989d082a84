"""From Hydra's composed configuration to a Config: schema, strict check, messages for Hydra's errors, resolvers."""

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
from rl_decay.hydra_app.conversion import Converter, without_hydra
from rl_decay.runs.continuation import with_absolute_paths
from rl_decay.runs.folder import default_folder, short_fingerprint

_converter = Converter()


def checked(cfg: DictConfig) -> Config:
    """The composed configuration as a Config that can be run, its paths absolute; UserError otherwise."""
    return check(with_absolute_paths(strict(cfg)))


def strict(cfg: DictConfig) -> Config:
    """The composed configuration as a Config, its rules unchecked; UserError for a key or type not in the schema."""
    try:
        config = _converter.config(cfg)
    except InterpolationResolutionError as error:
        raise UserError(_unresolved_key(without_hydra(cfg)) or explanation(error)) from None
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
    """Let Python find the modules of a typed task in the folder of the command, which Hydra may have left."""
    folder = HydraConfig.get().runtime.cwd if HydraConfig.initialized() else Path.cwd()
    look_in(folder, env.id.rpartition(":")[0])  # an entry point's, too
    for path in wrapper_paths(env.wrappers):
        look_in(folder, split_wrapper(path)[0])


def _full_id(env_id: str) -> str:
    """The typed id of a task with its version, which may depend on the registered versions."""
    if VERSIONED.search(env_id):
        return env_id
    # Imported here, because Gymnasium takes half a second: too long for every --help.
    from rl_decay.envs.task_ids import with_version

    return with_version(env_id)


def _unresolved_key(node: Container, prefix: str = "") -> str | None:
    """The first key whose interpolation cannot be resolved, as typed, and the reason; OmegaConf does not name it."""
    keys = range(len(node)) if isinstance(node, ListConfig) else list(node)
    for key in keys:
        name = f"{prefix}{key}"
        try:
            value = node[key]  # type: ignore[index]
        except OmegaConfBaseException as error:
            text = OmegaConf.to_container(node, resolve=False)[key]  # type: ignore[index]
            return f"{name}={text}: {_reason(error)}"
        if isinstance(value, Container):
            problem = _unresolved_key(value, f"{name}.")
            if problem is not None:
                return problem
    return None


def _reason(error: OmegaConfBaseException) -> str:
    """OmegaConf's message without the class of the inner error; a sentence of ours for a missing variable."""
    text = str(error).splitlines()[0]
    if variable := re.search(r"Environment variable '(.*)' not found", text):
        return f"the environment variable {variable[1]} is not set"
    return re.sub(r"^\w+ raised while resolving interpolation: ", "", text)


# Options of Hydra plugins that are not installed by default; Hydra's message would not name the extra.
EXTRAS = ("hydra/launcher/joblib", "hydra/sweeper/optuna")


def one_line(text: str) -> str:
    """Hydra's message on one line: without its search path, its lists of options separated by commas."""
    for option in EXTRAS:
        if f"'{option}'" in text:
            return f"{option} needs the extra `sweep`: pip install -c constraints.txt -e '.[sweep]'"
    text = text.split("Config search path")[0].strip()
    text = text.replace(", set env var HYDRA_FULL_ERROR=1 to see chained exception", "")
    for line_break, separator in ((r"\n\n", ". "), (r":\n\s+", ": "), (r"\n\s+", ", "), (r"\n", "; ")):
        text = re.sub(line_break, separator, text)
    return text


def explanation(error: OmegaConfBaseException) -> str:
    """One line that names the key of an error, with the nearest key of the schema if it is unknown."""
    if error.full_key is None and error.key is None:
        return _reason(error)
    key = str(error.full_key or error.key)
    names: set[str] = set()  # keys, and the sections that hold them
    for name in flat(Config()):
        names.update(name.rsplit(".", depth)[0] for depth in range(3))
    nearest = difflib.get_close_matches(key, names, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest and nearest[0] != key else ""
    # 1e6 is a float to Hydra; show the person how to write the whole number.
    if number := re.search(r"Value '([\d.]+)' of type 'float' could not be converted to Integer", str(error)):
        hint = f"; write {float(number[1]):_.0f}"
    if key.rpartition(".")[2] == "batch_size":  # rows per minibatch, in Stable-Baselines3's words
        hint = "; give algo.minibatches = env.num_envs * algo.num_steps / batch_size"
    return f"{key}: {_reason(error)}{hint}"


def _short_fingerprint(_root_: Any) -> str:
    """The resolver `fingerprint`: the first 8 characters, for folder names.

    Paths are taken as typed, not made absolute: older sweeps named their folders so, and repeating their commands must
    find the same folders.
    """
    try:
        return short_fingerprint(strict(_root_))
    except (UserError, ValueError):
        # This job will be refused, with a better message than an exception inside a resolver can give. Until then it
        # needs a folder name of its own.
        return fingerprint({"refused": repr(OmegaConf.to_container(without_hydra(_root_)))})[:8]


def _run_folder(timestamp: str, _root_: Any) -> str:
    """The resolver `run_folder`: the default folder of a run."""
    try:
        return default_folder(with_absolute_paths(strict(_root_)), timestamp)
    except (UserError, ValueError):
        return f"runs/refused-{timestamp}"  # the run will be refused before this folder is made


def register() -> None:
    """Register schema and resolvers with Hydra; on import, so that processes of other launchers have them too."""
    schema = OmegaConf.structured(Config)
    OmegaConf.set_struct(schema.env.kwargs, False)  # arguments of any task: allow env.kwargs.x=1 without a +
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("fingerprint", _short_fingerprint, replace=True)
    OmegaConf.register_new_resolver("run_folder", _run_folder, replace=True)


register()
