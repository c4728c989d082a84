import errno
import os
import signal

import pytest
from variants import thorough

from rl_decay.errors import UserError
from rl_decay.runs.claim import FolderClaim
from rl_decay.runs.lock import LockLostError, RunLock, is_held
from rl_decay.runs.sweep_lock import SweepLock, refuse_sweep_in_use

HOLD = """
import sys
from rl_decay.runs.lock import RunLock, is_held
from rl_decay.runs.sweep_lock import SweepLock, refuse_sweep_in_use
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


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match=f"^{missing}: "), RunLock(tmp_path, missing):
        pass
    with RunLock(tmp_path):
        pass


def test_a_forked_child_does_not_keep_the_lock(tmp_path, python):
    code = """
import os, sys
from rl_decay.runs.lock import RunLock, is_held
from rl_decay.runs.sweep_lock import SweepLock, refuse_sweep_in_use
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


@pytest.fixture
def three(tmp_path):
    """The run folders of a population."""
    folders = [tmp_path / f"job{m}" for m in range(3)]
    for folder in folders:
        folder.mkdir()
    return folders


def test_a_population_holds_every_folder_with_one_descriptor(three, tmp_path):
    before = descriptors()
    with RunLock(*three):
        assert descriptors() == before + 1
        for folder in three:
            assert is_held(folder)
            with pytest.raises(UserError, match=f"{folder} is in use"), RunLock(folder):
                pass
    assert descriptors() == before
    for folder in three:
        assert (folder / "run.lock").read_bytes() == b""
        assert not is_held(folder)
        with RunLock(folder):
            assert is_held(folder)


def test_a_member_that_is_trained_alone_keeps_the_population_out(three):
    with RunLock(three[2]):
        with pytest.raises(UserError, match=f"{three[2]} is in use"), RunLock(*three):
            pass
        with RunLock(*three[:2]):
            pass


def test_populations_of_one_sweep_hold_their_own_members_alone(three):
    with RunLock(*three[:2]), RunLock(three[2]):
        assert all(map(is_held, three))
    # its first member was the holder before: what the others say of it means nothing now
    with RunLock(three[0]), RunLock(*three[1:]):
        assert all(map(is_held, three))


def test_a_population_that_was_killed_holds_nothing(three, python):
    code = HOLD.replace("RunLock(sys.argv[1])", "RunLock(*sys.argv[1:])")
    holder = python(code, *three)
    assert holder.stdout.readline() == "held\n"
    assert all(map(is_held, three))
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not any(map(is_held, three))
    with RunLock(*reversed(three)):
        pass


@pytest.mark.parametrize("text", [b"12345", b"x\n..", b"ab\n/etc", b"a\n\0", b"a\n" + 9000 * b"../", b"\xff\n\xff"])
def test_what_a_damaged_lock_file_says_keeps_nobody_out(tmp_path, text):
    (tmp_path / "run.lock").write_bytes(text)
    assert not is_held(tmp_path)
    with RunLock(tmp_path):
        assert is_held(tmp_path)


@pytest.mark.parametrize("removed", [[0, 1], *map(thorough, ([0], [1], [0, 1, 2]))])
def test_a_folder_that_another_training_took_is_lost_and_the_rest_stay_held(three, removed):
    """Also where the new lock file has the inode of the old one, and where the first run does not ask any more."""
    with RunLock(*three) as lock:
        for m in removed:
            (three[m] / "run.lock").unlink()
        taken = [three[m] for m in removed]
        with RunLock(*reversed(taken)):
            for folder in taken:
                with pytest.raises(LockLostError, match=f"{folder}: .* another training has begun there"):
                    lock.verify(folder)
            for folder in three:
                if folder not in taken:
                    lock.verify(folder)
                    with pytest.raises(UserError, match=f"{folder} is in use"), RunLock(folder):
                        pass
    assert not any(map(is_held, three))


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_the_lock_of_a_first_run_that_has_ended_is_kept_for_the_others(three, gone):
    with RunLock(*three) as lock:
        (three[0] / "run.lock").unlink()
        if gone == "folder":
            three[0].rmdir()
        lock.verify(three[1])
        lock.verify(three[2])
        for folder in three[1:]:
            with pytest.raises(UserError, match=f"{folder} is in use"), RunLock(folder):
                pass


@pytest.mark.parametrize("count", [1, 2])
def test_a_lock_that_cannot_be_made_again_is_told_with_its_reason(three, count):
    with RunLock(*three[:count]) as lock:
        (three[0] / "run.lock").unlink()
        (three[0] / "run.lock").mkdir()
        for _ in range(2):
            with pytest.raises(IsADirectoryError):
                lock.verify(three[0])
        for folder in three[1:count]:
            lock.verify(folder)
            assert is_held(folder)


def test_members_are_found_through_links_and_from_other_folders(three, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(three[1])
    monkeypatch.chdir(tmp_path)
    with RunLock("job0", "elsewhere/link"):
        assert is_held(three[1]) and is_held(tmp_path / "elsewhere" / "link")


def test_a_sweep_is_launched_once_and_its_runs_are_not_opened_from_outside(three, tmp_path):
    with SweepLock(tmp_path):
        with pytest.raises(UserError, match=f"{tmp_path} is in use: another process trains this sweep"):
            SweepLock(tmp_path).__enter__()
        (tmp_path.parent / f"{tmp_path.name} link").symlink_to(three[0])
        for name in (three[0], tmp_path.parent / f"{tmp_path.name} link"):
            with pytest.raises(UserError, match=f"{name} is in use: the sweep {tmp_path} is being trained"):
                refuse_sweep_in_use(name)
        with RunLock(*three):  # its own workers need their own lock only
            pass
    refuse_sweep_in_use(three[0])
    with SweepLock(tmp_path):
        pass


def test_a_file_system_without_locks_is_named_and_given_back(monkeypatch, tmp_path):
    def unsupported(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    before = descriptors()
    monkeypatch.setattr("fcntl.flock", unsupported)
    with pytest.raises(UserError, match=f"{tmp_path}: .*No locks available"), RunLock(tmp_path):
        pass
    FolderClaim(tmp_path, ()).end()  # lets everybody pass
    assert descriptors() == before


def test_a_sweep_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UserError, match="/proc/nowhere: cannot be written"), SweepLock("/proc/nowhere"):
        pass
