"""No room for the very first files of a run or a sweep: one line, whichever file it is."""

import builtins
import errno
import os
import shutil
import subprocess
from itertools import product

import pytest
from variants import every

FIRST = [".hydra/config.yaml", ".hydra/overrides.yaml", "run.lock", ".summary.json.tmp", "metrics.csv", "train.log"]
FIRST_OF_SWEEP = [
    "sweep.lock",
    "multirun.yaml",
    ".jobs.json.tmp",
    ".hydra/config.yaml",
    "run.lock",
    ".summary.json.tmp",
]


@pytest.fixture
def no_room_for(monkeypatch):
    """Let no file of this name be opened for writing: no_room_for(name)."""

    def install(name):
        real, real_os = builtins.open, os.open

        def full(path):
            if isinstance(path, (str, os.PathLike)) and os.fspath(path).endswith(name):
                raise OSError(errno.ENOSPC, "No space left on device", os.fspath(path))

        def opened(path, mode="r", *arguments, **options):
            if not mode.startswith("r"):
                full(path)
            return real(path, mode, *arguments, **options)

        def os_opened(path, flags, *arguments, **options):
            if flags & os.O_CREAT:
                full(path)
            return real_os(path, flags, *arguments, **options)

        monkeypatch.setattr(builtins, "open", opened)
        monkeypatch.setattr("io.open", opened)
        monkeypatch.setattr(os, "open", os_opened)

    return install


@pytest.mark.parametrize("name", every(2, FIRST))
def test_a_run_is_refused_in_one_line(name, no_room_for, words, train_in, tmp_path):
    no_room_for(name)
    ended = train_in(tmp_path, *words(), "hydra.run.dir=mine")
    ended.refused("cannot be written (No space left on device", "make room")


@pytest.mark.parametrize("name, launcher", every(5, product(FIRST_OF_SWEEP, ("population", "basic"))))
def test_a_sweep_is_refused_or_its_runs_fail_without_a_traceback(
    name, launcher, no_room_for, words, train_in, tmp_path
):
    no_room_for(name)
    workers = ("hydra.launcher.workers=1",) if launcher == "population" else ()
    typed = (
        "-m",
        *words(),
        "compare=none",
        "seed=0,1",
        "hydra.sweep.dir=sweep",
        f"hydra/launcher={launcher}",
        *workers,
    )
    ended = train_in(tmp_path, *typed)
    assert ended.code == 1 and "Traceback" not in ended.out + ended.err and "Warning" not in ended.err, ended
    assert ended.err.startswith("error: ") and ended.err.count("\n") == 1
    assert "cannot be written (No space left on device" in ended.out + ended.err


@pytest.fixture
def disk(tmp_path):
    """Mount a disk with so many inodes: disk(count) -> its folder, or None where nothing may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(count):
        words = ["mount", "-t", "tmpfs", "-o", f"size=1m,nr_inodes={count}", "tmpfs", str(folder)]
        mounted = shutil.which("mount") is not None and subprocess.run(words, capture_output=True).returncode == 0
        return folder if mounted else None

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("count", range(3, 15))
def test_a_disk_without_inodes_is_one_line(count, disk, no_room_for, words, train_in, tmp_path):
    folder = disk(count)
    if folder is None:
        no_room_for(FIRST[count % len(FIRST)])
    ended = train_in(folder or tmp_path, *words(), "hydra.run.dir=mine")
    ended.refused("cannot be written (No space left on device", "ake room")
    assert folder is None or "no inodes are left" in ended.err
