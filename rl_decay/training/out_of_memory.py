"""A lack of memory in words: PyTorch, NumPy, Python and the system each raise an error of their own."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rl_decay.errors import UserError, one_line

ALLOCATOR = "DefaultCPUAllocator: "  # its words follow a place in PyTorch's source code
SIGNS = (ALLOCATOR, "bad_alloc", "can't start new thread")  # in the words of a RuntimeError


@contextmanager
def explained() -> Iterator[None]:
    """Turn any error that means a lack of memory into a UserError; all others pass."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not _means_memory(error):
            raise
        raise UserError(
            f"out of memory: {_short(error)}; ask for fewer members, environments or evaluation episodes, or a smaller "
            "network, or free some memory"
        ) from error


def _means_memory(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(sign in str(error) for sign in SIGNS)


def _short(error: BaseException) -> str:
    words = str(error)
    return one_line(words.partition(ALLOCATOR)[2] or words or type(error).__name__, longest=160).rstrip(".")
