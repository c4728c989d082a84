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

CGROUP_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # version 2, version 1


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
    sizes = [_available(), *_cgroup_limits()]
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


def _cgroup_limits() -> list[int]:
    """The memory limit of this process's control group, if there is one."""
    limits = []
    for name in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # another version, or no limit ("max")
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return limits


def _address_space() -> int:
    """Bytes of address space that this process has taken already; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
