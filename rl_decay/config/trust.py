"""Whose code may run: a module that a recorded file names needs the person's trust, unless it is installed.

A module is installed if Python would load its top-level package from a site directory of this interpreter, or from a
place that an installed distribution has added: a folder named in a .pth file, the finder of an editable install. All
other places are open to strangers: the current folder, PYTHONPATH and run folders hold files of unknown origin.
Python's own library does not count as installed: it registers no task, and importing some of it starts a program
(`venv.__main__`), as importing any module named `__main__` does. Python's finders are asked where they would look;
nothing is imported.
"""

from __future__ import annotations

import os
import re
import site
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from rl_decay.config.code_keys import ENTRY_POINT, code_modules
from rl_decay.errors import UserError

# help of --trust
TRUST = "let this module, which the record names, run its code; an installed one needs it for env.entry_point alone"


def require_trust(values: Mapping[str, Any], trust: Collection[str], source: Path | str) -> None:
    """Refuse a flat configuration from the file `source` if it names code that nobody has vouched for.

    A module may be imported if it is installed, if `trust` names it or a package that it lies in, or if this process
    has imported it already. An entry point needs `trust` in any case: it may be any function of its module, and it is
    called with arguments from the file. UserError otherwise: it names the file, the module, its place and the way out.
    """
    for key, value, module in code_modules(values):
        if _is_named(module, trust):
            continue
        start = f"{source}: {key}={value} names the module {module}"
        if key == ENTRY_POINT:
            raise UserError(
                f"{start}, whose code would be called with the arguments in this file: if you know that code, add "
                f'--trust {module} (in Python: trust=["{module}"])'
            )
        if module in sys.modules or is_installed(module):
            continue
        place = _place(module)
        if place is None:
            raise UserError(
                f"{start}, which Python does not find here; install its package, or put its folder on PYTHONPATH and "
                f"add --trust {module}"
            )
        why = "is a program" if _is_program(module) else "belongs to no installed package"
        raise UserError(
            f"{start}, which would be loaded from {place} and {why}. To trust it means that "
            f'its code runs: if you know that code, add --trust {module} (in Python: trust=["{module}"])'
        )


def modules_to_trust(values: Mapping[str, Any]) -> list[str]:
    """The modules for which a command that reads this flat configuration from a file needs `--trust`."""
    named = code_modules(values)
    return [module for key, _, module in named if key == ENTRY_POINT or not is_installed(module)]


def is_installed(module: str) -> bool:
    """Whether a module's top-level package belongs to an installed distribution, and the module is no program."""
    top_level = module.partition(".")[0]
    finder, spec = _finder_and_spec(top_level)
    if spec is None or _is_program(module):
        return False
    if _is_of_an_editable_install(finder):
        return True
    # Real paths on both sides: a virtual environment may lie behind a symbolic link.
    sites = {os.path.realpath(folder) for folder in _site_folders()}
    if spec.origin is None:  # a namespace package: any folder of its name on the path is a part of it
        parts = spec.submodule_search_locations or [""]
        return all(_parent(part) in sites for part in parts)
    added = {os.path.realpath(Path(folder, line)) for folder, line in _pth_lines()}
    is_package = spec.submodule_search_locations is not None
    location = Path(spec.origin).parent if is_package else spec.origin
    return _parent(location) in sites | added


def _is_program(module: str) -> bool:
    """Whether importing a module starts a program, which would read our command line as its own."""
    return module.rpartition(".")[2] == "__main__"


def _is_named(module: str, trust: Collection[str]) -> bool:
    """Whether `trust` holds the module or a package around it; the dot keeps `a` from covering `ab`."""
    return any(module == name or module.startswith(f"{name}.") for name in trust if name)


def _finder_and_spec(name: str) -> tuple[object, ModuleSpec | None]:
    """The finder from which `import name` would take the module, and its spec; (None, None) if no finder has one."""
    if not name:
        return None, None
    for finder in sys.meta_path:  # in Python's own order: the first finder with an answer wins
        try:
            spec = finder.find_spec(name, None)
        except (AttributeError, ImportError, ValueError):  # an old kind of finder; a name that no module can have
            continue
        if spec is not None:
            return finder, spec
    return None, None


def _place(module: str) -> str | None:
    """Where the top-level package of a module lies, for a message; None if Python does not find it."""
    _, spec = _finder_and_spec(module.partition(".")[0])
    if spec is None:
        return None
    return spec.origin or ", ".join(spec.submodule_search_locations or ())


def _parent(path: str | Path) -> str:
    """The folder that holds a path, with symbolic links in it resolved.

    A link at the path itself stays: its own place says who put it there, the place that it points to does not.
    """
    return os.path.realpath(Path(path).parent)


def _site_folders() -> list[str]:
    """The folders into which pip installs."""
    folders = list(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return folders


def _pth_lines() -> Iterator[tuple[str, str]]:
    """(site folder, line) of every .pth file: a folder to search, or an import that Python runs at its start."""
    for folder in _site_folders():
        for path in sorted(Path(folder).glob("*.pth")):
            try:
                lines = path.read_text(errors="replace").splitlines()
            except OSError:  # a file that Python cannot read adds nothing to its path either
                continue
            for line in lines:
                if line.strip():
                    yield folder, line.strip()


def _is_of_an_editable_install(finder: object) -> bool:
    """Whether a .pth file has put the finder in place. It knows its own packages alone, wherever they lie."""
    # The line reads `import __editable___name_finder; __editable___name_finder.install()`. The finder's class must come
    # from that very module: a part of a longer name would let a stranger's finder pass.
    module = getattr(finder, "__module__", "")
    if not module:  # an empty pattern would match every line
        return False
    word = re.compile(rf"\b{re.escape(module)}\b")
    return any(line.startswith("import") and word.search(line) for _, line in _pth_lines())
