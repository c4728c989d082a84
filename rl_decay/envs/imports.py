"""Import a module that a task's keys name; every error becomes a UserError."""

from __future__ import annotations

import importlib
from types import ModuleType

from rl_decay.envs.faults import task_error
from rl_decay.errors import UserError


def imported(module: str, place: str, hint: str = "") -> ModuleType:
    """The module; UserError if there is none, or if its own code fails.

    place: the key and its value, for the message, such as env.id=a.b:Reach-v0. hint: a further way out, after "; ".
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):  # an import inside the module failed
            raise task_error(f"{place}: its module cannot be imported:", error) from error
        raise UserError(
            f"{place}: no module {error.name} is installed, nor lies in a folder where Python looks; name its "
            f"folder in front of the command: PYTHONPATH=<folder>{hint}"
        ) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the module's own code may raise anything, SystemExit too
        raise task_error(f"{place}: its module cannot be imported:", error) from error
