"""Collect rollouts: act on the device, step on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rl_decay.envs.contract import Step, VecEnv
from rl_decay.types import Episode, Rollout, aligned

Act = Callable[[Tensor, Tensor], Tensor]
LARGEST = np.finfo(np.float32).max


class Collector:
    """The M*N slots of a population and what must survive from one rollout to the next."""

    def __init__(self, envs: VecEnv, members: int, num_envs: int, num_steps: int, device: torch.device):
        self.envs = envs
        self.members, self.num_envs, self.num_steps = members, num_envs, num_steps
        self.device = device
        self.broken: dict[int, str] = {}  # member -> what was not finite
        slots = members * num_envs
        self._returns, self._lengths = np.zeros(slots), np.zeros(slots, np.int64)
        self._actions: list[Tensor] = []  # [T, M, N(, A)] of each rollout since the segment's start
        shape = (num_steps + 1, slots, aligned(envs.spaces.obs_size))
        self._obs = torch.zeros(shape, dtype=torch.float32, device=device)

    def reset(self, seeds: Sequence[int]) -> None:
        """Start a segment: every slot from its own seed; episodes in progress are dropped unreported."""
        self._returns[:], self._lengths[:] = 0, 0
        self._actions.clear()
        self._store(0, self._finite(self.envs.reset(seeds), "observation"))

    def collect(self, act: Act, noise: Tensor, alive: np.ndarray) -> tuple[Rollout, list[Episode]]:
        """Step every slot T times; noise [T, M, N, A], alive [M]. Members that are not alive act with zeros."""
        flags = np.zeros((3, self.num_steps, self.members * self.num_envs), bool)  # terminated, done, valid
        rewards = np.zeros(flags.shape[1:], np.float32)
        taken: list[Tensor] = []
        episodes: list[Episode] = []
        for t in range(self.num_steps):
            actions = act(self._obs[t].unflatten(0, (self.members, self.num_envs)), noise[t])
            taken.append(actions)
            step = self.envs.step(self._for_env(actions, alive))
            rewards[t] = self._finite(step.rewards, "reward")
            flags[:, t] = step.terminated, step.terminated | step.truncated, step.valid
            self._store(t + 1, self._finite(step.obs, "observation"))
            episodes += self._finished(step)
        rollout = Rollout(self._grid(self._obs.clone()), torch.stack(taken), *self._to_device(rewards, *flags))
        self._obs[0] = self._obs[-1]
        self._actions.append(self._compact(rollout.actions))
        return rollout, episodes

    def actions(self, member: int) -> Tensor:
        """A member's actions since the segment's start [t, N(, A)], which `replay` needs to bring its slots here."""
        return torch.cat([rollout[:, member] for rollout in self._actions])

    def replay(self, actions: Tensor) -> None:
        """Step a fresh segment by its actions [t, M, N(, A)] so far; nothing is learned."""
        self._actions.append(actions)
        for taken in actions:
            array = taken.flatten(0, 1).numpy()
            step = self.envs.step(array if self.envs.spaces.continuous else array.astype(np.int64))
            self._finished(step)
        self._store(0, step.obs)

    def _compact(self, actions: Tensor) -> Tensor:
        """Actions on the CPU; a number below 256 takes one byte instead of eight."""
        few = not self.envs.spaces.continuous and self.envs.spaces.num_actions <= 256
        return actions.to("cpu", torch.uint8 if few else None)

    def _for_env(self, actions: Tensor, alive: np.ndarray) -> np.ndarray:
        array = actions.cpu().numpy().reshape(len(self._returns), *actions.shape[2:])
        if array.dtype.kind == "f":
            array = self._finite(array, "action")
        if self.broken or not alive.all():
            idle = ~alive
            idle[list(self.broken)] = True
            array = np.where(idle.repeat(self.num_envs).reshape(-1, *[1] * (array.ndim - 1)), 0, array)
        return array

    def _finite(self, values: np.ndarray, what: str) -> np.ndarray:
        """Replace what is not finite in float32 by 0 and remember whose it was."""
        if not -LARGEST <= values.min() <= values.max() <= LARGEST:  # so it is for NaN
            finite = np.abs(values) <= LARGEST
            for slot in np.flatnonzero(~finite.reshape(len(values), -1).all(1)):
                self.broken.setdefault(int(slot) // self.num_envs, f"{what} not finite")
            values = np.where(finite, values, 0).astype(values.dtype)
        return values

    def _store(self, t: int, obs: np.ndarray) -> None:
        self._obs[t, :, : obs.shape[1]] = torch.from_numpy(obs)

    def _finished(self, step: Step) -> list[Episode]:
        self._returns += step.rewards
        self._lengths += step.valid
        ended = np.flatnonzero(step.terminated | step.truncated)
        episodes = [
            Episode(int(slot) // self.num_envs, float(self._returns[slot]), int(self._lengths[slot])) for slot in ended
        ]
        self._returns[ended], self._lengths[ended] = 0, 0
        return episodes

    def _grid(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.members, self.num_envs))

    def _to_device(self, *arrays: np.ndarray) -> list[Tensor]:
        return [self._grid(torch.from_numpy(a).to(self.device)) for a in arrays]
