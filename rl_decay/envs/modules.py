"""Where Python looks for a module that the keys of a task name.

Does not import Gymnasium, which takes half a second: the command line needs this module before it needs a task.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

VERSIONED = re.compile(r"-v\d+$")  # an id with its version


def look_in(folder: str | Path, module: str) -> None:
    """Append `folder` to Python's search path if a module lies there, and nowhere before; "" is no module.

    Only for a name that a person typed: one from a recorded file must not import a file of the current folder.
    Worker processes inherit the search path.
    """
    top = module.split(".")[0]
    place = Path(folder).absolute()
    if not top or str(place) in sys.path or _importable(top):
        return
    if (place / top).is_dir() or (place / f"{top}.py").is_file():
        sys.path.append(str(place))
        importlib.invalidate_caches()


def _importable(module: str) -> bool:
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
