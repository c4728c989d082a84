"""NumPy's and Python's global random generators: preserved for the caller, separate for each copy of a task."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

NUMPY_RANDOM: Any = np.random  # NumPy's type hints lack get_bit_generator and set_bit_generator


@contextmanager
def preserved_generators() -> Iterator[None]:
    """At the exit, restore the global generators and their states of the entry."""
    generator = NUMPY_RANDOM.get_bit_generator()
    numpy_state = np.random.get_state()
    python_state = random.getstate()
    try:
        yield
    finally:
        NUMPY_RANDOM.set_bit_generator(generator)  # first: set_state writes into the generator in place
        np.random.set_state(numpy_state)
        random.setstate(python_state)


class OwnGenerators(gym.Wrapper):
    """A task that draws from the global generators, made a function of its reset seed.

    While the task resets or steps, NumPy's global generator is the task's own, and so is Python's unless `python` is
    False (it takes 0.04 ms a step, NumPy's 0.001 ms). A seeded reset seeds them. They stay in place between the
    steps: whoever steps such a task does it inside `preserved_generators`. The task's constructor is not covered.
    """

    def __init__(self, env: gym.Env, python: bool = True):
        super().__init__(env)
        self._with_python = python
        self._seed(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Reset the task; a seed seeds its global generators too."""
        if seed is not None:
            self._seed(seed)
        self._install()
        result = self.env.reset(seed=seed, options=options)
        self._remember()
        return result

    def step(self, action: Any) -> Any:
        """Step the task."""
        self._install()
        result = self.env.step(action)
        self._remember()
        return result

    @property
    def drawn_from(self) -> set[str]:
        """The global generators, "NumPy" and "Python", that the task has used since its last seeded reset."""
        names = set()
        fresh = np.random.MT19937(self._last_seed).state["state"]
        used = self._numpy.state["state"]
        if fresh["pos"] != used["pos"] or not np.array_equal(fresh["key"], used["key"]):
            names.add("NumPy")
        if self._python != random.Random(self._last_seed).getstate():
            names.add("Python")
        return names

    def _seed(self, seed: int) -> None:
        self._last_seed = seed
        self._numpy: Any = np.random.MT19937(seed)
        self._python = random.Random(seed).getstate()

    def _install(self) -> None:
        """Make this copy's generators the global ones, which another copy's may have been."""
        NUMPY_RANDOM.set_bit_generator(self._numpy)
        if self._with_python:
            random.setstate(self._python)

    def _remember(self) -> None:
        """Save Python's state; NumPy's generator is this copy's own object and has kept its state."""
        if self._with_python:
            self._python = random.getstate()
