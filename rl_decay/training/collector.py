"""Collect rollouts: act on the device, step on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from rl_decay.envs.contract import Step, VecEnv
from rl_decay.errors import UserError
from rl_decay.training.digests import Digester
from rl_decay.types import Episode, Rollout, aligned

Act = Callable[[Tensor, Tensor], Tensor]
Fault = str | UserError  # words for numbers that were not finite; the error of a copy that failed
LARGEST = np.finfo(np.float32).max


class NobodyLeftError(Exception):
    """A copy has failed of every member that was still training. `faults`: {member: its error}."""

    def __init__(self, faults: dict[int, UserError]):
        super().__init__(f"{len(faults)} members have failed")
        self.faults = faults


class Collector:
    """The M*N slots of a population and what must survive from one rollout to the next."""

    def __init__(self, envs: VecEnv, members: int, num_envs: int, num_steps: int, device: torch.device):
        self.envs = envs
        self.members, self.num_envs, self.num_steps = members, num_envs, num_steps
        self.device = device
        self._faults: dict[int, Fault] = {}  # of members, since the last rollout
        slots = members * num_envs
        self._returns = np.zeros(slots)  # of the episodes in progress
        self._lengths = np.zeros(slots, np.int64)
        self.episodes_ended = np.zeros(members, np.int64)  # of each member, since the segment's start
        self._actions: list[Tensor] = []  # [T, M, N(, C or A)] of each rollout since the segment's start
        shape = (num_steps + 1, slots, aligned(envs.spaces.obs_size))
        self._obs = torch.zeros(shape, dtype=torch.float32, device=device)
        # The same memory by time, made once: an index into a tensor costs more than a small network's layer.
        self._obs_by_time = self._grid(self._obs).unbind(0)
        self._obs_array = self._obs.numpy() if device.type == "cpu" else None
        self._digester = Digester(num_envs, aligned(envs.spaces.obs_size))
        self._digests: list[np.ndarray] = []  # [T, M] of each rollout since the segment's start; before them its reset

    def reset(self, seeds: Sequence[int]) -> None:
        """Start a segment: every slot from its own seed; episodes in progress are dropped unreported."""
        for counts in (self._returns, self._lengths, self.episodes_ended):
            counts[:] = 0
        self._actions.clear()
        self._digests.clear()
        self._store(0, self._without_misfits(self.envs.reset(seeds), "observation"))
        slots = self.members * self.num_envs
        self._digest(self._obs[:1], np.zeros((1, slots), np.float32), np.zeros((3, 1, slots), bool))

    def collect(self, act: Act, noise: Tensor, active: np.ndarray) -> tuple[Rollout, list[Episode], dict[int, Fault]]:
        """Step every slot T times; noise [T, M, N, A]. Members that are not `active` [M] act with zeros.

        Returns the rollout, the episodes that ended in it, and {member: fault}. From a fault on, its member acts with
        zeros too. NobodyLeftError as soon as copies of all active members have failed.
        """
        self._take_faults(active)  # of a reset
        flags = np.zeros((3, self.num_steps, self.members * self.num_envs), bool)  # terminated, done, valid
        rewards = np.zeros(flags.shape[1:], np.float32)
        all_actions: list[Tensor] = []
        episodes: list[Episode] = []
        for t, noise_now in enumerate(noise.unbind(0)):
            actions = act(self._obs_by_time[t], noise_now)
            all_actions.append(actions)
            step = self.envs.step(self._for_env(actions, active))
            self._take_faults(active)
            self._record(t, step, rewards, flags)
            episodes += self._count(step, flags[1, t])
        self._digest(self._obs[1:], rewards, flags)
        rollout = Rollout(self._grid(self._obs.clone()), torch.stack(all_actions), *self._to_device(rewards, *flags))
        self._obs[0] = self._obs[-1]
        self._actions.append(self._compact(rollout.actions))
        faults = self._faults
        self._faults = {}
        return rollout, episodes, faults

    def actions(self, member: int) -> Tensor:
        """A member's actions since the segment's start [t, N(, C or A)], from which `replay` brings its slots here."""
        return torch.cat([rollout[:, member] for rollout in self._actions])

    def replay(self, actions: Tensor) -> dict[int, UserError]:
        """Step a fresh segment by its actions [t, M, N(, C or A)] so far; nothing is learned.

        Returns {member: error} of the members of which a copy has failed; NobodyLeftError as in `collect`.
        """
        self._actions.append(actions)
        for rollout in actions.split(self.num_steps):
            self._replay_rollout(rollout)
        return self._failed()

    def digests(self, member: int) -> Tensor:
        """Digests [1 + t] int32 of a member's reset and steps since the segment's start, beside its `actions`."""
        return torch.from_numpy(np.concatenate([rollout[:, member] for rollout in self._digests]))

    def _replay_rollout(self, actions: Tensor) -> None:
        flags = np.zeros((3, len(actions), self.members * self.num_envs), bool)
        rewards = np.zeros(flags.shape[1:], np.float32)
        for t, actions_now in enumerate(actions):
            array = actions_now.flatten(0, 1).numpy()
            step = self.envs.step(array if self.envs.spaces.continuous else array.astype(np.int64))
            self._take_faults(np.ones(self.members, bool))
            self._record(t, step, rewards, flags)
            self._count(step, flags[1, t])
        self._digest(self._obs[1 : len(actions) + 1], rewards, flags)
        self._obs[0] = self._obs[len(actions)]

    def _record(self, t: int, step: Step, rewards: np.ndarray, flags: np.ndarray) -> None:
        """Put a step into row t of a rollout's rewards [T, S], flags [3, T, S] and observations."""
        terminated, done, valid = flags
        rewards[t] = self._without_misfits(step.rewards, "reward")
        terminated[t] = step.terminated
        np.logical_or(step.terminated, step.truncated, out=done[t])
        valid[t] = step.valid
        self._store(t + 1, self._without_misfits(step.obs, "observation"))

    def _digest(self, obs: Tensor, rewards: np.ndarray, flags: np.ndarray) -> None:
        """Keep the digests of some steps: obs [t, S, D], rewards [t, S], flags [3, t, S]."""
        slots = (self.members, self.num_envs)
        self._digests.append(
            self._digester(
                self._grid(obs).cpu().numpy(),
                rewards.reshape(-1, *slots),
                flags.reshape(3, -1, *slots),
            )
        )

    def _compact(self, actions: Tensor) -> Tensor:
        """Actions on the CPU; a number below 256, and each component of them, takes one byte instead of eight."""
        return actions.to("cpu", torch.uint8 if self.envs.spaces.one_byte else None)

    def _for_env(self, actions: Tensor, active: np.ndarray) -> np.ndarray:
        array = actions.cpu().numpy().reshape(len(self._returns), *actions.shape[2:])
        if array.dtype.kind == "f":
            array = self._without_misfits(array, "action")
        if self._faults or not active.all():
            idle = ~active
            idle[list(self._faults)] = True
            array = np.where(idle.repeat(self.num_envs).reshape(-1, *[1] * (array.ndim - 1)), 0, array)
        return array

    def _take_faults(self, active: np.ndarray) -> None:
        """Remember whose copies have failed in the last reset or step; NobodyLeftError if no active member is left."""
        errors = self.envs.take_faults()
        if not errors:
            return
        for slot, error in errors.items():
            member = slot // self.num_envs
            if not isinstance(self._faults.get(member), UserError):  # it stands above numbers that were not finite
                self._faults[member] = error
        failed = self._failed()
        if set(np.flatnonzero(active).tolist()) <= failed.keys():
            self._faults = {}
            raise NobodyLeftError(failed)

    def _failed(self) -> dict[int, UserError]:
        return {member: fault for member, fault in self._faults.items() if isinstance(fault, UserError)}

    def _without_misfits(self, values: np.ndarray, what: str) -> np.ndarray:
        """Replace what is not finite in float32 by 0 and remember whose it was."""
        flat = values.reshape(-1)
        # One number for the whole array: with anything that is not finite it is NaN or infinite, without a warning. A
        # square that overflows is looked at below.
        if np.dot(flat, flat) <= LARGEST:
            return values
        finite = np.abs(values) <= LARGEST  # False for NaN
        for slot in np.flatnonzero(~finite.reshape(len(values), -1).all(1)):
            self._faults.setdefault(int(slot) // self.num_envs, f"{what} {_misfit(values[slot])}")
        return np.where(finite, values, 0).astype(values.dtype)

    def _store(self, t: int, obs: np.ndarray) -> None:
        """Put the observations [S, D] reached by step t - 1 into the rollout."""
        if self._obs_array is not None:
            self._obs_array[t, :, : obs.shape[1]] = obs
        else:
            self._obs[t, :, : obs.shape[1]] = torch.from_numpy(obs)

    def _count(self, step: Step, done: np.ndarray) -> list[Episode]:
        """Add a step to the episodes in progress; returns those that have ended by it."""
        self._returns += step.rewards
        self._lengths += step.valid
        episodes: list[Episode] = []
        if not done.any():
            return episodes
        for slot in np.flatnonzero(done).tolist():
            member = slot // self.num_envs
            episodes.append(Episode(member, float(self._returns[slot]), int(self._lengths[slot])))
            self.episodes_ended[member] += 1
            self._returns[slot] = 0
            self._lengths[slot] = 0
        return episodes

    def _grid(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (self.members, self.num_envs))

    def _to_device(self, *arrays: np.ndarray) -> list[Tensor]:
        return [self._grid(torch.from_numpy(a).to(self.device)) for a in arrays]


def _misfit(values: np.ndarray) -> str:
    """What is wrong with numbers of which some are not finite in float32."""
    if np.isfinite(values).all():
        return "beyond float32 (3.4e+38)"
    # observations were cast before: what was beyond float32 has become infinite
    cast = values.dtype == np.float32 and not np.isnan(values).any()
    return "not finite in float32" if cast else "not finite"
