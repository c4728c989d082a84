"""The machine that a run is trained on: its device, its threads, its memory."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from rl_decay.errors import UserError


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
