"""A disk that is full, at any write: one message, exit code 1, readable files, and after making room the same run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from compared_runs import recorded_differences
from fake_disk import FullDisk
from small_runs import rich_config
from trained import train_configs
from variants import thorough

from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.runs import durable, layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints

TRAIN = Path(__file__).parents[2] / "train.py"
LIMITED = """
import resource, runpy, sys
limit, module, *sys.argv = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
if module.endswith(".py"):
    sys.argv.insert(0, module)
    runpy.run_path(module, run_name="__main__")
else:
    sys.argv.insert(0, module)
    runpy.run_module(module, run_name="__main__")
"""


@pytest.fixture
def disk(monkeypatch):
    """Put a disk under the run folders: disk(full_at) -> FullDisk; disk() has room for ever."""

    def install(full_at=None, once=False):
        made = FullDisk(full_at, once)
        monkeypatch.setattr(durable, "os", made)
        monkeypatch.setattr(durable, "open", made.open, raising=False)
        return made

    return install


@pytest.fixture
def short(small):
    """Four iterations, a checkpoint after every second."""
    return small(total_steps=4 * 32, checkpoint__every=2, evaluation__early=1, evaluation__late=1)


@pytest.fixture
def begun(short, killed, tmp_path):
    """(the undisturbed folder, one in which nothing but the beginning has been written)."""
    whole, left = killed(tmp_path, short, 1)
    return whole.folder, left


@pytest.fixture
def copied(tmp_path):
    """A copy of a folder under another name: copied(folder, name) -> folder."""
    return lambda folder, name: Path(shutil.copytree(folder, tmp_path / name))


def readable(folder):
    """Assert that whatever a folder holds can be read."""
    read_summary(folder)
    for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV):
        if (folder / name).exists():
            read(folder / name)
            assert (folder / name).read_bytes()[-1:] in (b"", b"\n")
    for path in (folder / layout.CHECKPOINTS).glob("*.pt"):
        checkpoints.load(path)
    assert not list(folder.rglob("*.tmp"))


def calls_of_a_run(folder, disk, resumed):
    counted = disk()
    assert resumed(folder).code == 0
    return counted.calls


@pytest.mark.parametrize("once", [False, True], ids=["stays full", "full once"])
@pytest.mark.parametrize("first, step", [(3, 20), *(thorough(turn, 6) for turn in range(1, 7))])
def test_no_space_at_any_write_is_one_message_and_nothing_is_lost(
    first, step, once, begun, disk, resumed, different, copied
):
    whole, left = begun
    total = calls_of_a_run(copied(left, "counted"), disk, resumed)
    assert total > 40
    for full_at in range(first, total + 1, step):
        folder = copied(left, f"full{full_at}")
        disk(full_at, once)
        ended = resumed(folder)
        disk()
        ended.refused(str(folder), "cannot be written (No space left on device)")
        readable(folder)
        # the last call syncs the name of the summary that says `finished`
        assert (read_summary(folder)["status"] == "finished") == (full_at == total), full_at
        again = resumed(folder)
        assert (again.code, again.err) == (0, ""), full_at
        assert read_summary(folder)["status"] == "finished", full_at
        assert different(folder, whole) == [], full_at


def test_full_again_and_again_the_run_still_ends_as_the_undisturbed_one(begun, disk, resumed, different, copied):
    whole, left = begun
    total = calls_of_a_run(copied(left, "counted"), disk, resumed)
    for first in (7, 25):
        folder, full_at = copied(left, f"again{first}"), first
        while True:
            disk(full_at)
            if resumed(folder).code == 0:
                break
            readable(folder)
            full_at += 5
            assert full_at < 3 * total
        assert different(folder, whole) == []


def test_no_space_while_continuing_keeps_the_checkpoint_it_continues_from(once, disk, resumed, different, copied):
    result, left = once
    total = calls_of_a_run(copied(left, "counted"), disk, resumed)
    for full_at in range(1, total + 1, 12):
        folder = copied(left, f"full{full_at}")
        disk(full_at)
        resumed(folder).refused("No space left on device")
        readable(folder)
        assert load_policy(folder, "latest").iteration >= 3
        disk()
        assert resumed(folder).code == 0
        assert different(folder, result.folder) == [], full_at


@pytest.mark.parametrize("full_at", [3, 45, thorough(20)])
def test_no_space_in_a_population_names_it_in_every_folder(full_at, small, disk, tmp_path):
    folders = [tmp_path / f"run{seed}" for seed in range(3)]
    disk(full_at)
    try:
        results = train_configs([small(seed=seed) for seed in range(3)], folders)
    except UserError as error:  # before training began
        assert "No space left on device" in str(error)
    else:
        reasons = {(result.status, result.summary["reason"]) for result in results}
        assert reasons == {("failed", "cannot be written (No space left on device)")}
    disk()
    whole = train_configs([small(seed=seed) for seed in range(3)], [tmp_path / f"whole{seed}" for seed in range(3)])
    again = [train_configs([small(seed=m, resume="auto")], [folder])[0] for m, folder in enumerate(folders)]
    assert [r.status for r in (*whole, *again)] == 6 * ["finished"]


@pytest.fixture
def limited(tmp_path):
    """Run train.py or a module in a process whose files may have so many bytes only: limited(limit, what, *words)."""

    def run(limit, what, *words):
        command = [sys.executable, "-c", LIMITED, str(limit), str(what), *map(str, words)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)

    return run


CARTPOLE = {"env__id": "CartPole-v1", "normalize__obs": False, "normalize__reward": False}


def one_error(ended, *words):
    lines = ended.stderr.splitlines()
    assert ended.returncode == 1, (ended.stdout, ended.stderr)
    assert len(lines) == 1 and lines[0].startswith("error: "), ended.stderr
    assert "Traceback" not in ended.stdout
    for word in words:
        assert word in lines[0], (word, lines[0])


def sizes(folder):
    events = max((path.stat().st_size for path in folder.glob(f"{layout.EVENTS}*")), default=0)
    names = (layout.METRICS_CSV, layout.SUMMARY, f"checkpoints/{layout.LATEST}", f"checkpoints/{layout.BEST}")
    return {"events": events} | {name: (folder / name).stat().st_size for name in names}


@pytest.mark.parametrize(
    "first, values",
    [
        thorough(f"checkpoints/{layout.LATEST}", {"evaluation__early": 0, "evaluation__late": 1}),
        thorough(layout.METRICS_CSV, {"total_steps": 60 * 32, "logger__tensorboard": False}),
        pytest.param(f"checkpoints/{layout.BEST}", {"checkpoint__every": 8}, marks=pytest.mark.slow),
        pytest.param("events", {"total_steps": 60 * 32}, marks=pytest.mark.slow),
        pytest.param(layout.SUMMARY, {}, marks=pytest.mark.slow),
    ],
    ids=["latest.pt", "metrics.csv", "best.pt", "events", "summary.json"],
)
def test_a_limit_on_file_sizes_is_one_message_and_room_makes_the_same_run(
    first, values, limited, killed, resumed, tmp_path
):
    whole, left = killed(tmp_path, rich_config(**CARTPOLE, **values), 1)
    found = sizes(whole.folder)
    limit = found[first] - 50
    if first in (layout.METRICS_CSV, "events"):
        assert limit > found[f"checkpoints/{layout.LATEST}"], found
    ended = limited(limit, "rl_decay.resume", left)
    one_error(ended, str(left), "cannot be written (File too large)")
    readable(left)
    ended = limited(10**9, "rl_decay.resume", left)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert recorded_differences(left, whole.folder) == []


@pytest.mark.thorough
def test_train_py_says_so_once_and_names_the_command_that_continues(limited, words, tmp_path):
    values = {**CARTPOLE, "total_steps": 60 * 32, "logger__tensorboard": False}
    limit = 12_000  # metrics.csv has 60 rows of more than 200 bytes
    ended = limited(limit, TRAIN, *words(**values), "hydra.run.dir=mine")
    one_error(ended, "File too large", "python -m rl_decay.resume")
    readable(tmp_path / "mine")
    assert json.loads((tmp_path / "mine" / layout.SUMMARY).read_text())["status"] == "failed"


@pytest.mark.thorough
def test_a_log_without_room_is_no_traceback(limited, small, killed, different, tmp_path):
    """The log is no result: what else there is room for is written."""
    whole, left = killed(tmp_path, small(**CARTPOLE), 6)
    (left / "train.log").write_text(100_000 * ".")
    ended = limited(100_000, "rl_decay.resume", left)
    assert "Traceback" not in ended.stderr and "Logging error" not in ended.stderr
    assert (ended.returncode, ended.stderr) == (0, "")
    assert different(left, whole.folder) == []


@pytest.mark.thorough
def test_an_unwritable_folder_is_named(limited, tmp_path):
    (tmp_path / "file").write_text("")
    ended = limited(10**9, "rl_decay.resume", tmp_path / "file")
    one_error(ended, str(tmp_path / "file"))
