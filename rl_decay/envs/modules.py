"""Where the module that a task's id names is looked for. Imports nothing: Hydra's side uses it before Gymnasium."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

VERSIONED = re.compile(r"-v\d+$")  # an id with its version


def look_in(folder: str | Path, env_id: str) -> None:
    """Let the module of a typed `module:Id-v0` be found in a folder too, after everything else that Python finds.

    For ids that the person typed alone: a name from a recorded file must not import what lies in the current folder.
    Worker processes inherit the search path.
    """
    module, _, _ = env_id.rpartition(":")
    top = module.split(".")[0]
    place = str(Path(folder).absolute())
    if not top or place in sys.path or _found(top):
        return
    if (Path(place) / top).is_dir() or (Path(place) / f"{top}.py").is_file():
        sys.path.append(place)
        importlib.invalidate_caches()


def _found(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
