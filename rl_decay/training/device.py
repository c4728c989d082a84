"""The machine that a run is trained on: its device, its threads, its memory."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from rl_decay.config import memory
from rl_decay.config.schema import Config
from rl_decay.errors import UserError, one_line
from rl_decay.types import Spaces

CGROUPS = Path("/sys/fs/cgroup")
# Of control groups, version 2 and 1: where they lie, the files of limit and usage, the cache that counts as free.
HIERARCHIES = {
    "": (CGROUPS, "memory.max", "memory.current", "inactive_file"),
    "memory": (CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def resolve_device(name: str) -> torch.device:
    """The device of a name; `auto` is CUDA where there is one. UserError if CUDA is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("device=cuda: PyTorch finds no CUDA device here; use device=auto or device=cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


def same_device(name: str, folder: Path) -> torch.device:
    """The device that a folder's run was begun on; UserError where there is none, for another one gives other bits."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(f"{folder}: trained on CUDA, which PyTorch does not find here, and a CPU would change its bits")
    return torch.device(name)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads inside; UserError for more than the machine has cores."""
    if count > (os.cpu_count() or 1):
        raise UserError(f"threads={count}: this machine has {os.cpu_count()} cores; ask for no more")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed temporaries; no effect elsewhere.

    It gives large blocks back to the kernel at once, and an update, which needs them again within milliseconds, would
    spend more time on fresh pages than on arithmetic.
    """
    m_trim_threshold, m_mmap_threshold, megabyte = -1, -3, 2**20  # of malloc.h
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, 256 * megabyte)
        libc.mallopt(m_trim_threshold, 512 * megabyte)


def free_memory() -> int:
    """Bytes that this process may still take: what is free here, and what its control group and its own limit allow."""
    sizes = [_available(), *_cgroup_rooms()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        sizes.append(max(soft - _address_space(), 0))
    return min(sizes)


def require_memory(config: Config, spaces: Spaces, members: int, device: torch.device) -> None:
    """UserError, with the numbers, where a population cannot fit into the memory of the machine or of its GPU."""
    cuda = device.type == "cuda"
    estimate = memory.parts(config, spaces, members)
    runs = "the run needs" if members == 1 else f"{members} runs together need"
    rooms = [(memory.on_host(estimate, cuda), free_memory(), "this machine has")]
    if cuda:
        rooms.append((memory.on_gpu(estimate), torch.cuda.mem_get_info(device)[0], "its GPU has"))
    for needed, free, owner in rooms:
        refuse_beyond(needed, free, f"{one_line(memory.cause(config, spaces))}: {runs}", owner)


def refuse_beyond(needed: int, free: int, runs: str, owner: str = "this machine has") -> None:
    """UserError where more bytes are needed than are free."""
    if needed > free:
        raise UserError(f"{runs} about {memory.in_words(needed)} of memory; {owner} {memory.in_words(free)} free")


def _available() -> int:
    """Bytes that the machine could give: on macOS, which does not say, all it has."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))
        return int(kilobytes) * 1024
    except (OSError, StopIteration, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cgroup_rooms() -> list[int]:
    """Bytes that each control group with a limit, this process's own and those above it, may still take."""
    groups = {controller: "/" for controller in HIERARCHIES}
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups |= {name: path for name in controllers.split(",") if name in HIERARCHIES}
    rooms = []
    for controller, path in groups.items():
        root, limit, usage, cache = HIERARCHIES[controller]
        own = root / path.lstrip("/")  # not there where a container shows its own group as the root
        for group in (own, *own.parents):
            if group.is_relative_to(root):
                with suppress(OSError, ValueError):  # another version, or no limit ("max")
                    rooms.append(max(int((group / limit).read_text()) - _in_use(group, usage, cache), 0))
    return rooms


def _in_use(group: Path, usage: str, cache: str) -> int:
    """Bytes that a control group holds and cannot give back; 0 where it does not say."""
    try:
        held = int((group / usage).read_text())
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, size = line.partition(" ")
            if name == cache:
                held -= int(size)
        return max(held, 0)
    except (OSError, ValueError):
        return 0


def _address_space() -> int:
    """Bytes of address space that this process has taken already; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
