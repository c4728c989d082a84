"""Work in a forked copy of this process, where PyTorch is loaded already, that is killed."""

import os
import signal
import time
import traceback
import warnings
from collections.abc import Callable

from rl_decay.runs import durable
from rl_decay.training import saver

STRUCK = 77  # exit code of a process that ended itself
PATIENCE = 600.0  # seconds until a forked process counts as hanging


def killed_in_fork(work: Callable[[], object], *, at: int | None = None, after: float | None = None, by=signal.SIGKILL):
    """Work in a fork that dies `at` its n-th state of the disk, or by a signal `after` so many seconds; True if so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child touches none of the other threads' locks
        child = os.fork()
    if child == 0:
        _live(work, at)
    return _watch(child, after, by)


def _live(work: Callable[[], object], at: int | None) -> None:
    """The life of a forked process: it never comes back to the tests."""
    code = 1
    try:
        if at is not None:
            _die_at(at)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _watch(child: int, after: float | None, by: int) -> bool:
    begun, sent = time.monotonic(), False
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if after is not None and not sent and time.monotonic() - begun >= after:
            os.kill(child, by)
            sent = True
        if time.monotonic() - begun > PATIENCE:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("the forked process hangs")
        time.sleep(0.0005)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, STRUCK, -by), f"the forked process ended with {code}, see its traceback"
    return code != 0


def _die_at(last: int) -> None:
    """End this process at the `last` state that `durable` brings the disk into.

    A write brings about two, half of it and all of it; a rename and a truncation one each. A death before an fsync and
    one after it leave the same, for the kernel has the bytes already.
    """
    done = 0

    def reached() -> None:
        nonlocal done
        done += 1
        if done >= last:
            os._exit(STRUCK)

    def fatal(operation: Callable) -> Callable:
        def run(*arguments, **options):
            result = operation(*arguments, **options)
            reached()
            return result

        return run

    class Mortal:
        """A file whose writes may be the last."""

        def __init__(self, file):
            self._file = file
            self.truncate = fatal(file.truncate)

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *failure):
            self._file.close()

        def write(self, data):
            half = len(data) // 2
            for part in (data[:half], data[half:]):
                assert self._file.write(part) == len(part)
                self._file.flush()
                reached()
            return len(data)

    class Mortality:
        """The module os, as `durable` sees it."""

        replace = staticmethod(fatal(os.replace))

        def __getattr__(self, name):
            return getattr(os, name)

    durable.os = Mortality()
    durable.open = lambda *arguments, **options: Mortal(open(*arguments, **options))  # noqa: SIM115
    saver.FLUSH_SECONDS = -1.0  # rows reach the disk between checkpoints too
