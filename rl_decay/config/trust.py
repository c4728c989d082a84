"""Whose code may run: a module that a recorded file names needs the person's word, unless it is installed.

A module is installed if Python would load its top-level package from a site directory of this interpreter, or through
what an installed distribution has put there: a folder named in a .pth file, the finder of an editable install. The
current folder, PYTHONPATH and run folders hold whatever somebody has put there. Python's own library registers no task,
and importing some of it starts a program (`venv.__main__`); so does every module of the name `__main__`. Python's own
finders are asked where they would look; nothing is imported.
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

from rl_decay.config.schema import Config, walk
from rl_decay.errors import UserError

TRUST = "let this module of the recorded env.id run its code; installed ones need no word"  # help of --trust
CODE_KEYS = tuple(key for key, _, about in walk(Config()) if about["code"])


def require_trust(values: Mapping[str, Any], trust: Collection[str], source: Path | str) -> None:
    """Refuse a flat configuration from the file `source` that names code which nobody has vouched for.

    A module may be imported if it is installed, if `trust` names it or a package that it lies in, or if this process
    has imported it already. UserError otherwise: it names the file, the module, its place and the way out.
    """
    for key, module in code_modules(values).items():
        if module in sys.modules or _is_named(module, trust) or is_installed(module):
            continue
        names = f"{source}: {key}={values[key]} names the module {module}"
        place = _place(module)
        if place is None:
            raise UserError(
                f"{names}, which Python does not find here; install its package, or put its folder on PYTHONPATH and "
                f"add --trust {module}"
            )
        why = "is a program" if _is_program(module) else "belongs to no installed package"
        raise UserError(
            f"{names}, which would be loaded from {place} and {why}. To trust it means that "
            f'its code runs: if you know that code, add --trust {module} (in Python: trust=["{module}"])'
        )


def modules_to_trust(values: Mapping[str, Any]) -> list[str]:
    """The modules of a flat configuration that a command which reads it from a file must be told to trust."""
    return [module for module in code_modules(values).values() if not is_installed(module)]


def code_modules(values: Mapping[str, Any]) -> dict[str, str]:
    """The module that each key of a flat configuration names, where it names one: `a.b` of env.id=a.b:Reach-v0."""
    modules = {}
    for key in CODE_KEYS:
        module, colon, _ = str(values.get(key)).rpartition(":")  # as envs/task_ids.py, which imports the module
        if colon:
            modules[key] = module
    return modules


def is_installed(module: str) -> bool:
    """Whether a module's top-level package belongs to an installed distribution, and the module is no program."""
    name = module.partition(".")[0]
    finder, spec = _finder_and_spec(name)
    if spec is None or _is_program(module):
        return False
    if _is_of_an_editable_install(finder):
        return True
    sites = set(map(os.path.realpath, _site_folders()))
    if spec.origin is None:  # a namespace package: any folder of its name on the path is a part of it
        return all(_parent(part) in sites for part in spec.submodule_search_locations or [""])
    added = {os.path.realpath(Path(folder, line)) for folder, line in _pth_lines()}
    top = Path(spec.origin).parent if spec.submodule_search_locations is not None else spec.origin
    return _parent(top) in sites | added


def _is_program(module: str) -> bool:
    """Whether importing a module starts a program, which reads this one's command line."""
    return module.rpartition(".")[2] == "__main__"


def _is_named(module: str, trust: Collection[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in trust if name)


def _finder_and_spec(name: str) -> tuple[object, ModuleSpec | None]:
    """The finder from which `import name` would take the module, and its answer; the first one that has any wins."""
    for finder in sys.meta_path if name else ():
        try:
            spec = finder.find_spec(name, None)
        except (AttributeError, ImportError, ValueError):  # an old kind of finder; a name that no module can have
            continue
        if spec is not None:
            return finder, spec
    return None, None


def _place(module: str) -> str | None:
    """Where the top-level package of a module lies."""
    _, spec = _finder_and_spec(module.partition(".")[0])
    return None if spec is None else spec.origin or ", ".join(spec.submodule_search_locations or ())


def _parent(path: str | Path) -> str:
    """The folder that a path lies in; the links in front of its name are followed, the name itself may be a link."""
    return os.path.realpath(Path(path).parent)


def _site_folders() -> list[str]:
    """The folders of installed distributions."""
    return site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])


def _pth_lines() -> Iterator[tuple[str, str]]:
    """The lines of the .pth files in the site folders, each with its folder: Python reads them when it starts."""
    for folder in _site_folders():
        for path in sorted(Path(folder).glob("*.pth")):
            try:
                lines = path.read_text(errors="replace").splitlines()
            except OSError:
                continue
            yield from ((folder, line.strip()) for line in lines if line.strip())


def _is_of_an_editable_install(finder: object) -> bool:
    """Whether a .pth file has put the finder in place. It finds its own packages alone, wherever they lie."""
    word = re.compile(rf"\b{re.escape(getattr(finder, '__module__', ''))}\b")
    return any(line.startswith("import") and word.search(line) for _, line in _pth_lines())
