"""Gymnasium's classic-control tasks over all slots at once, with the bits of its own classes.

Each class here repeats the `reset` and `step` of one of them: the same operations in the same order and precision, on
arrays instead of single numbers. So a formula must not be rearranged, not even where both forms are equal on paper.
Gymnasium's object gives the constants. Acrobot has a file of its own.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from gymnasium.envs.classic_control.cartpole import CartPoleEnv
from gymnasium.envs.classic_control.continuous_mountain_car import Continuous_MountainCarEnv
from gymnasium.envs.classic_control.mountain_car import MountainCarEnv
from gymnasium.envs.classic_control.pendulum import DEFAULT_X, DEFAULT_Y, PendulumEnv, angle_normalize

from rl_decay.envs.dynamics import Dynamics, Moved, columns, is_bool, is_number
from rl_decay.envs.same_bits import arrays_as_numbers, float32_squared, squared


def _cosines_agree() -> bool:
    return arrays_as_numbers(np.cos, math.cos, np.random.default_rng(0).uniform(-4, 4, 10_000))


class CartPole(Dynamics):
    """State: position, velocity, angle, angular velocity."""

    original = CartPoleEnv
    arguments: ClassVar = {"sutton_barto_reward": is_bool}
    width = 4

    def __init__(self, sutton_barto_reward: bool = False):
        super().__init__(sutton_barto_reward=sutton_barto_reward)
        self._forces = np.array([-self.task.force_mag, self.task.force_mag])
        self._rewards = np.array([0.0, -1.0] if sutton_barto_reward else [1.0, 1.0])  # upright, fallen

    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """All four numbers within 0.05 of 0."""
        return generator.uniform(low=-0.05, high=0.05, size=(count, 4))

    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """Euler's method, all derivatives at the old state."""
        task = self.task
        _, x_dot, theta, theta_dot = state
        force = self._forces[actions]
        cos, sin = np.cos(theta), np.sin(theta)
        temp = (force + task.polemass_length * np.square(theta_dot) * sin) / task.total_mass
        inertia = task.length * (4.0 / 3.0 - task.masspole * np.square(cos) / task.total_mass)
        theta_acc = (task.gravity * sin - cos * temp) / inertia
        x_acc = temp - task.polemass_length * theta_acc * cos / task.total_mass
        moved = state + task.tau * np.array((x_dot, x_acc, theta_dot, theta_acc))
        x_size, _, theta_size, _ = np.abs(moved)
        fallen = (x_size > task.x_threshold) | (theta_size > task.theta_threshold_radians)
        return Moved(moved, columns(moved), self._rewards[fallen.view(np.int8)], fallen)


class Pendulum(Dynamics):
    """State: angle, angular velocity."""

    original = PendulumEnv
    arguments: ClassVar = {"g": is_number}
    width = 2

    @staticmethod
    def has_same_bits() -> bool:
        """Whether it holds of the squares of single numbers."""
        values = np.random.default_rng(0).uniform(-8, 8, 10_000)
        torques = (values / 4).astype(np.float32)
        doubles = arrays_as_numbers(squared, lambda number: number**2, values)
        return doubles and arrays_as_numbers(float32_squared, lambda number: number**2, torques)

    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """Any angle, and a velocity within 1 of 0."""
        high = np.array([DEFAULT_X, DEFAULT_Y])
        return generator.uniform(low=-high, high=high, size=(count, 2))

    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """Semi-implicit Euler; the torque stays float32, and has been clipped to its bounds on the way here."""
        task = self.task
        theta, theta_dot = state
        torque = actions[:, 0]
        angle_cost = squared(angle_normalize(theta))
        costs = angle_cost + 0.1 * squared(theta_dot) + 0.001 * float32_squared(torque)
        from_gravity = 3 * task.g / (2 * task.l) * np.sin(theta)
        acceleration = from_gravity + 3.0 / (task.m * task.l**2) * torque
        new_dot = (theta_dot + acceleration * task.dt).clip(-task.max_speed, task.max_speed)
        moved = np.array((theta + new_dot * task.dt, new_dot))
        return Moved(moved, self.first_obs(moved), -costs, np.zeros(len(costs), bool))

    def first_obs(self, state: np.ndarray) -> np.ndarray:
        """Cosine, sine, velocity."""
        return columns(np.array((np.cos(state[0]), np.sin(state[0]), state[1])))


class MountainCar(Dynamics):
    """State: position, velocity."""

    original = MountainCarEnv
    arguments: ClassVar = {"goal_velocity": is_number}
    width = 2
    has_same_bits = staticmethod(_cosines_agree)

    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """A position near the bottom, at rest."""
        states = np.zeros((count, 2))
        states[:, 0] = generator.uniform(low=-0.6, high=-0.4, size=count)
        return states

    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """The left wall stops the car."""
        task = self.task
        position, velocity = state
        acceleration = (actions - 1) * task.force + np.cos(3 * position) * (-task.gravity)
        velocity = (velocity + acceleration).clip(-task.max_speed, task.max_speed)
        position = (position + velocity).clip(task.min_position, task.max_position)
        velocity[(position == task.min_position) & (velocity < 0)] = 0
        at_goal = (position >= task.goal_position) & (velocity >= task.goal_velocity)
        moved = np.array((position, velocity))
        return Moved(moved, columns(moved), np.full(len(velocity), -1.0), at_goal)


def _is_goal_velocity(value: Any) -> bool:
    """A number that float32 does not round onto the speed limit from above.

    The original compares the limit, where it was reached, in float64, and every other velocity in float32.
    """
    return is_number(value) and (value <= 0.07 or bool(np.float32(value) > np.float32(0.07)))


class ContinuousMountainCar(Dynamics):
    """State: position, velocity, and 1 where the two came from a reset.

    A reset leaves a state in float64, of which the first step computes in float64; from then on all is float32.
    """

    original = Continuous_MountainCarEnv
    arguments: ClassVar = {"goal_velocity": _is_goal_velocity}
    width = 3

    @staticmethod
    def has_same_bits() -> bool:
        """Whether it holds of cosines, and a float32 times a Python number is a float32, as since NumPy 2."""
        return (np.float32(1) * 1.0).dtype == np.float32 and _cosines_agree()

    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """A position near the bottom, at rest."""
        states = np.zeros((count, 3))
        states[:, 0] = generator.uniform(low=-0.6, high=-0.4, size=count)
        states[:, 2] = 1
        return states

    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """The left wall stops the car; the force has been clipped to its bounds on the way here."""
        task = self.task
        force = actions[:, 0]
        position, velocity = state[:2].astype(np.float32)
        angle = (3 * position).astype(np.float64)
        begun = np.flatnonzero(state[2])
        angle[begun] = 3 * state[0, begun]
        pull = (0.0025 * np.cos(angle)).astype(np.float32)
        velocity = (velocity + (force * task.power - pull)).clip(-task.max_speed, task.max_speed)
        position += velocity
        position[begun] = state[0, begun] + velocity[begun]
        # A slot that has just begun is far from walls, goal and speed limit: below, float32 changes nothing for it.
        position = position.clip(task.min_position, task.max_position)
        velocity[(position == np.float32(task.min_position)) & (velocity < 0)] = 0
        at_goal = (position >= task.goal_position) & (velocity >= task.goal_velocity)
        force = force.astype(np.float64)
        rewards = np.where(at_goal, 100.0, 0.0) - force * force * 0.1  # the square of a float32 is exact in float64
        moved = np.zeros_like(state)
        moved[:2] = position, velocity
        return Moved(moved, columns(moved[:2]), rewards, at_goal)

    def first_obs(self, state: np.ndarray) -> np.ndarray:
        """Position, velocity."""
        return columns(state[:2])
