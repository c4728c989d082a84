"""`python train.py` with a small network."""

import pytest
from small_runs import small_words


@pytest.fixture(scope="session")
def small():
    """Overrides that make an iteration 32 steps of a small network."""
    return small_words()


@pytest.fixture
def files():
    """Everything below a folder, byte by byte."""
    return lambda folder: {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
