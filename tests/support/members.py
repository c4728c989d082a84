"""Members of a population as tests name them."""

import torch


def active(count):
    """All of `count` members are in training [M]."""
    return torch.ones(count, dtype=torch.bool)
