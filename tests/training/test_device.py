"""What the machine says of its memory, and what does not fit into it."""

import resource
from pathlib import Path

import pytest
import torch

from rl_decay.config.schema import unflat
from rl_decay.errors import UserError
from rl_decay.training import device
from rl_decay.types import Spaces

CARTPOLE = Spaces(4, 2, continuous=False)
FILES = {"/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n", "/proc/self/statm": "100 1 1 1 0 1 0\n"}


@pytest.fixture
def system(monkeypatch):
    """A machine that has these files only, and this limit of address space."""

    def has(files, limit=resource.RLIM_INFINITY):
        def read_text(path, *_, **__):
            if str(path) not in files:
                raise FileNotFoundError(path)
            return files[str(path)]

        monkeypatch.setattr(Path, "read_text", read_text)
        monkeypatch.setattr(resource, "getrlimit", lambda kind: (limit, limit))
        monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__)

    return has


def test_free_memory_is_the_smallest_of_all_limits(system):
    system(FILES)
    assert device.free_memory() == 5000 * 1024
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        system(FILES | {f"/sys/fs/cgroup/{name}": "70000\n"})
        assert device.free_memory() == 70000
    system(FILES | {"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "60000\n"})
    assert device.free_memory() == 5000 * 1024
    system(FILES, limit=500_000)
    assert device.free_memory() == 500_000 - 100 * 4096  # what is taken already counts
    system(FILES, limit=1000)
    assert device.free_memory() == 0
    system({})  # macOS
    assert device.free_memory() == 1000 * 4096


@pytest.mark.parametrize(
    ("lines", "root", "limit", "usage", "cache"),
    [
        ("0::/job/step\n", "", "memory.max", "memory.current", "inactive_file"),
        (
            "3:cpu:/\n4:memory:/job/step\n",
            "memory/",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_a_control_group_counts_what_it_holds_already(lines, root, limit, usage, cache, system):
    own = {"/proc/self/cgroup": lines}
    for group in ("job/step/", "job/", ""):  # this process's, the one above it, the root that a container shows
        at = f"/sys/fs/cgroup/{root}{group}"
        system(FILES | own | {at + limit: "900000\n"})
        assert device.free_memory() == 900_000
        system(FILES | own | {at + limit: "900000\n", at + usage: "300000\n"})
        assert device.free_memory() == 900_000  # without memory.stat nobody knows what is cache
        held = {at + usage: "300000\n", at + "memory.stat": f"anon 1\nin{cache} 5\n{cache} 100000\n"}
        system(FILES | own | held | {at + limit: "900000\n"})
        assert device.free_memory() == 900_000 - (300_000 - 100_000)
        system(FILES | own | held | {at + limit: "1000\n"})
        assert device.free_memory() == 0
    system(FILES | own | {f"/sys/fs/cgroup/{root}other/{limit}": "1000\n"})
    assert device.free_memory() == 5000 * 1024


def test_what_does_not_fit_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda: 23_000_000_000)
    large = unflat({"algo.epochs": 10**9})  # 10^9 * 1024 * 8 bytes
    with pytest.raises(UserError) as error:
        device.require_memory(large, CARTPOLE, 1, torch.device("cpu"))
    words = "algo.epochs=1000000000: the run needs about 8.2 TB of memory; this machine has 23 GB free"
    assert str(error.value) == words
    with pytest.raises(UserError, match="3 runs together need about 25 TB"):
        device.require_memory(large, CARTPOLE, 3, torch.device("cpu"))
    device.require_memory(unflat({}), CARTPOLE, 30, torch.device("cpu"))


def test_a_gpu_has_a_memory_of_its_own(monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda: 10**15)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 10**10))
    with pytest.raises(UserError, match=r"net\.hidden=\[30000, 30000\]: .*; its GPU has 1\.0 GB free"):
        device.require_memory(unflat({"net.hidden": [30000, 30000]}), CARTPOLE, 1, torch.device("cuda"))
    device.require_memory(unflat({"algo.epochs": 10**9}), CARTPOLE, 1, torch.device("cuda"))  # no part of the GPU's
