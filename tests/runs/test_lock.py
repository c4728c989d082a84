import os
import signal

import pytest

from rl_decay.errors import UserError
from rl_decay.runs.lock import RunLock

HOLD = """
import sys
from rl_decay.runs.lock import RunLock
with RunLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path, python):
    holder = python(HOLD, tmp_path)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError, match=f"{tmp_path} is in use"), RunLock(tmp_path):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run.lock").exists()
    with RunLock(tmp_path):
        pass


def test_a_second_holder_in_this_process_is_refused_too(tmp_path):
    with RunLock(tmp_path), pytest.raises(UserError, match="in use"), RunLock(str(tmp_path)):
        pass


def test_a_lock_can_be_taken_again(tmp_path):
    lock = RunLock(tmp_path)
    for _ in range(2):
        with lock:
            pass
    with pytest.raises(RuntimeError, match="boom"), lock:
        raise RuntimeError("boom")
    with lock:
        pass


def test_no_file_stays_open(tmp_path):
    before = descriptors()
    with RunLock(tmp_path), pytest.raises(UserError), RunLock(tmp_path):
        pass
    assert descriptors() == before


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        RunLock(tmp_path / "missing").__enter__()


def test_a_forked_child_does_not_keep_the_lock(tmp_path, python):
    code = """
import os, sys
from rl_decay.runs.lock import RunLock
with RunLock(sys.argv[1]):
    child = os.fork()
    if child == 0:
        sys.stdin.read()
        os._exit(0)
print("released", flush=True)
os.waitpid(child, 0)
"""
    parent = python(code, tmp_path)
    assert parent.stdout.readline() == "released\n"
    with RunLock(tmp_path):
        pass
    parent.communicate()
