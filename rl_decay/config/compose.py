"""Hydra's door: the schema for composition, the strict check behind it, resolvers and callbacks."""

from __future__ import annotations

import difflib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rl_decay import compare
from rl_decay.config.checks import check
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.runs.continuation import same_experiment
from rl_decay.runs.layout import FAILED, JOBS, is_run, is_taken
from rl_decay.runs.lock import RunLock
from rl_decay.runs.record import experiment_keys, failures, fingerprint, read_summary, write_summary

log = logging.getLogger("rl_decay")


def checked(cfg: DictConfig) -> Config:
    """The composed configuration as a Config that can be run; UserError otherwise.

    It is merged once more into the schema, because Hydra lets `+new.key=1` through.
    """
    return check(_strict(cfg))


def _strict(cfg: DictConfig) -> Config:
    try:
        values = OmegaConf.to_container(_own(cfg), resolve=True)
        return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), values))  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise UserError(_explained(error)) from None


def _own(cfg: DictConfig) -> DictConfig:
    """The configuration without Hydra's part."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


@contextmanager
def explained() -> Iterator[None]:
    """Turn Hydra's refusal to compose, several lines long, into one line and exit code 1.

    Hydra reports errors itself, and ends the program, unless it is told to pass them on.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except KeyboardInterrupt:  # before training began; the trainer answers later ones
        raise SystemExit(130) from None
    except OmegaConfBaseException as error:
        refuse(_explained(error))
    except HydraException as error:
        cause = error.__cause__
        refuse(_explained(cause) if isinstance(cause, OmegaConfBaseException) else _one_line(str(error)))
    except ValueError as error:
        if "Config group override" not in str(error):  # Hydra's own, for a group set to a number, say
            raise
        refuse(str(error))


EXTRAS = ("hydra/launcher/joblib", "hydra/sweeper/optuna")


def _one_line(text: str) -> str:
    """Hydra's message without its search path, and the options it lists after each other."""
    for option in EXTRAS:
        if f"'{option}'" in text:
            return f"{option} needs the extra `sweep`: pip install -c constraints.txt -e '.[sweep]'"
    text = text.split("Config search path")[0].strip()
    for pattern, joint in ((r"\n\n", ". "), (r":\n\s+", ": "), (r"\n\s+", ", "), (r"\n", "; ")):
        text = re.sub(pattern, joint, text)
    return text


def _explained(error: OmegaConfBaseException) -> str:
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
        return fingerprint(experiment_keys(_strict(_root_)))[:8]
    except (UserError, ValueError):
        return fingerprint({"refused": repr(OmegaConf.to_container(_own(_root_)))})[:8]


def register() -> None:
    """Make schema and resolvers known to Hydra; done on import, so that worker processes have them too."""
    schema = OmegaConf.structured(Config)
    OmegaConf.set_struct(schema.env.kwargs, False)  # its keys are the environment's: env.kwargs.x=1 without a +
    ConfigStore.instance().store(name="schema", node=schema)
    OmegaConf.register_new_resolver("fingerprint", _short_fingerprint, replace=True)


REFUSED: list[str] = []  # jobs of this process that have no folder of their own to say so
MADE: set[Path] = set()  # run folders that did not exist before this process


def refuse_run(message: str, folder: Path, overrides: list[str], alone: bool) -> None:
    """Say why a run was refused: alone, by ending the program and leaving nothing behind; in a multirun, in the job's
    summary.json, and the other jobs go on.
    """
    if alone:
        if not is_run(folder):
            _discard(folder)
        refuse(message)
    if is_run(folder):
        if read_summary(folder)["status"] != FAILED:  # another job's folder
            REFUSED.append(f"{' '.join(overrides)}: {message}")
    else:
        write_summary(folder, {"status": FAILED, "reason": message, "overrides": overrides})


def _discard(folder: Path) -> None:
    """Remove the folder of a run that never was, if this process made it."""
    if folder.absolute() not in MADE:
        return
    logging.shutdown()
    shutil.rmtree(folder)
    with suppress(OSError):  # not empty: it holds other runs
        os.removedirs(folder.parent)


class RunGuard(Callback):
    """Keep Hydra from writing its record over an existing run, and list the failures of a multirun at its end."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a run folder that holds a run, unless it is this one and resume=auto."""
        folder = Path(config.hydra.run.dir)
        if (folder / JOBS).exists():
            refuse(
                f"hydra.run.dir={folder} holds a sweep; nothing was changed. Choose another folder, or continue the "
                "sweep with -m, hydra.sweep.dir and resume=auto"
            )
        if is_taken(folder) and config.resume != "auto":
            refuse(
                f"hydra.run.dir={folder} holds a run already; nothing was changed. Choose another folder, or continue "
                "it with resume=auto"
            )
        try:
            if is_taken(folder):
                same_experiment(_strict(config), folder)
                with RunLock(folder):  # or else Hydra writes its record while another training goes on
                    pass
        except UserError as error:
            refuse(f"hydra.run.dir={folder}: {error}")
        if not folder.exists():
            MADE.add(folder.absolute())
        _require_writable("hydra.run.dir", folder)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Refuse a sweep folder that holds runs, unless resume=auto."""
        REFUSED.clear()
        folder = Path(config.hydra.sweep.dir)
        if config.resume != "auto" and any(is_taken(job) for job in folder.glob("*/")):
            refuse(
                f"hydra.sweep.dir={folder} holds runs already; nothing was changed. Choose another folder, or continue "
                "the sweep, or add to it, with resume=auto"
            )
        _require_writable("hydra.sweep.dir", folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare the runs, then list what failed; exit code 1 if anything did. Read from the folders: jobs may have
        run elsewhere.
        """
        folder = Path(config.hydra.sweep.dir)
        if config.compare != "none":
            compare.after_sweep(folder)
        jobs = [job for job in sorted(folder.glob("*/")) if is_run(job)]
        failed = [*failures(jobs), *REFUSED]
        for failure in failed:
            log.error("failed: %s", failure)
        if failed:
            refuse(f"{len(failed)} of {len(jobs) + len(REFUSED)} runs failed")


def _require_writable(key: str, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        refuse(f"{key}={folder}: cannot be written ({error.strerror}); choose another folder")


def refuse(message: str) -> NoReturn:
    """End the program with one line on standard error and exit code 1."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(1)


register()
