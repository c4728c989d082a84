"""How a command ends for a person: an exit code, one line for a mistake, one line for Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rl_decay.errors import UserError
from rl_decay.system.descriptors import raise_limit
from rl_decay.system.signals import INTERRUPTED_CODE


def answered(command: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Run a command and return its exit code. A UserError gives 1, a Ctrl-C 130; each prints one line."""
    raise_limit()
    try:
        return command()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return INTERRUPTED_CODE
