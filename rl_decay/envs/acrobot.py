"""Acrobot over all slots at once, with the bits of Gymnasium's own class; see `classic_control`."""

from __future__ import annotations

import numpy as np
from gymnasium.envs.classic_control.acrobot import AcrobotEnv

from rl_decay.envs.dynamics import Dynamics, Moved
from rl_decay.envs.same_bits import arrays_as_numbers, squared

PI = np.pi
GRAVITY = 9.8


class Acrobot(Dynamics):
    """State: the two angles, their velocities."""

    original = AcrobotEnv
    width = 4

    def __init__(self) -> None:
        super().__init__()
        self._torques = np.array(self.task.AVAIL_TORQUE)

    @staticmethod
    def has_same_bits() -> bool:
        """Whether it holds of the squares of single numbers."""
        values = np.random.default_rng(0).uniform(-30, 30, 10_000)
        return arrays_as_numbers(squared, lambda number: number**2, values)

    def starts(self, generator: np.random.Generator, count: int) -> np.ndarray:
        """All four numbers within 0.1 of 0, rounded to float32."""
        return generator.uniform(low=-0.1, high=0.1, size=(count, 4)).astype(np.float32).astype(np.float64)

    def first_obs(self, state: np.ndarray) -> np.ndarray:
        """Cosines and sines, computed in float32: so the original does it after a reset, and after it in float64."""
        return _observed(state.astype(np.float32))

    def step(self, state: np.ndarray, actions: np.ndarray) -> Moved:
        """One step of the Runge-Kutta method of fourth order; then angles are wrapped and velocities bounded."""
        task = self.task
        torque = self._torques[actions]
        dt, half = task.dt, task.dt / 2.0
        k1 = self._rates(state, torque)
        k2 = self._rates(state + half * k1, torque)
        k3 = self._rates(state + half * k2, torque)
        k4 = self._rates(state + dt * k3, torque)
        moved = state + dt / 6.0 * (k1 + 2 * k2 + 2 * k3 + k4)
        _wrap(moved[:2])
        moved[2] = moved[2].clip(-task.MAX_VEL_1, task.MAX_VEL_1)
        moved[3] = moved[3].clip(-task.MAX_VEL_2, task.MAX_VEL_2)
        up = -np.cos(moved[0]) - np.cos(moved[1] + moved[0]) > 1.0
        return Moved(moved, _observed(moved), np.where(up, 0.0, -1.0), up)

    def _rates(self, state: np.ndarray, torque: np.ndarray) -> np.ndarray:
        """The derivatives [4, S] of the state, as in Sutton and Barto's book; names and order of the original."""
        task = self.task
        m1, m2 = task.LINK_MASS_1, task.LINK_MASS_2
        l1 = task.LINK_LENGTH_1
        lc1, lc2 = task.LINK_COM_POS_1, task.LINK_COM_POS_2
        i1 = i2 = task.LINK_MOI
        theta1, theta2, _, dtheta2 = state
        dtheta1_squared, dtheta2_squared = squared(state[2:])
        cos2, sin2 = np.cos(theta2), np.sin(theta2)
        d1 = m1 * lc1**2 + m2 * (l1**2 + lc2**2 + 2 * l1 * lc2 * cos2) + i1 + i2
        d2 = m2 * (lc2**2 + l1 * lc2 * cos2) + i2
        phi2 = m2 * lc2 * GRAVITY * np.cos(theta1 + theta2 - PI / 2.0)
        phi1 = (
            -m2 * l1 * lc2 * dtheta2_squared * sin2
            - 2 * m2 * l1 * lc2 * dtheta2 * state[2] * sin2
            + (m1 * lc1 + m2 * l1) * GRAVITY * np.cos(theta1 - PI / 2)
            + phi2
        )
        pull = torque + d2 / d1 * phi1 - m2 * l1 * lc2 * dtheta1_squared * sin2 - phi2
        ddtheta2 = pull / (m2 * lc2**2 + i2 - squared(d2) / d1)
        rates = np.empty_like(state)
        rates[:2] = state[2:]
        rates[2] = -(d2 * ddtheta2 + phi1) / d1
        rates[3] = ddtheta2
        return rates


def _observed(state: np.ndarray) -> np.ndarray:
    """Cosine and sine of the first angle, the same of the second, both velocities: [S, 6] float32."""
    obs = np.empty((state.shape[1], 6), np.float32)
    obs[:, 0:4:2] = np.cos(state[:2]).T
    obs[:, 1:4:2] = np.sin(state[:2]).T
    obs[:, 4:] = state[2:].T
    return obs


def _wrap(angles: np.ndarray) -> None:
    """Turn angles beyond [-pi, pi] back by whole turns, one turn after the other as the original does."""
    while (beyond := angles > PI).any():
        angles[beyond] -= 2 * PI
    while (beyond := angles < -PI).any():
        angles[beyond] += 2 * PI
