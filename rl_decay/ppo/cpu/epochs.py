"""The epochs of an update on the CPU: some members after others, each group of them in `MinibatchSteps`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from rl_decay.config.schema import Algo
from rl_decay.ppo.cpu.minibatch_steps import Halves, MinibatchSteps, Settings, Values
from rl_decay.ppo.epochs import Limits
from rl_decay.ppo.losses import Coefficients
from rl_decay.ppo.networks import ActorCritic
from rl_decay.ppo.optim import MemberAdam
from rl_decay.ppo.step_scalars import TAGS
from rl_decay.types import Batch

# Layers and slopes of the members that are stepped together. Measured with 15 and 30 members of 2x64 units on 256 rows:
# 1 MiB (2 members) takes 1.4 times as long as 8 MiB (15 members), for the calls; more gains nothing.
GROUP_BYTES = 8 << 20


class ArrayEpochs:
    """`Epochs` by NumPy. A member's bits do not depend on who is stepped with it, so the grouping is free."""

    def __init__(self, networks: ActorCritic, optimizer: MemberAdam, limits: Limits, algo: Algo):
        self.networks = networks
        self.optimizer = optimizer
        self._max_grad_norm = limits.max_grad_norm.numpy()
        self._target_kl = limits.target_kl.numpy()
        group = optimizer.param_groups[0]  # both have the same
        self._settings = Settings(
            algo.minibatches, algo.value_clip, algo.grad_clip == "joint", group["betas"], group["eps"]
        )
        self._steps: dict[tuple[int, int], MinibatchSteps] = {}  # by members and rows: groups take turns in the buffers

    def __call__(
        self, batch: Batch, permutations: Tensor, coefficients: Coefficients, active: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """As `Epochs`."""
        members = self.networks.members
        columns = {name: column.numpy() for name, column in vars(batch).items()}
        orders = permutations.numpy()
        rates = {group["name"]: group["lr"].numpy() for group in self.optimizer.param_groups}
        state = self._state()
        means = np.full((len(TAGS), members), np.nan, np.float32)
        finite = np.ones(members, bool)
        for group in self._groups(orders.shape[-1]):
            if not active[group].any():  # their runs have ended
                continue
            steps = self._steps_of(group.stop - group.start, orders.shape[-1])
            values = Values(
                rates=np.concatenate((rates["actor"][group], rates["critic"][group])),
                max_grad_norm=np.tile(self._max_grad_norm[group], 2),
                clip=coefficients.clip.numpy()[group],
                entropy_coef=coefficients.entropy_coef.numpy()[group],
                value_coef=coefficients.value_coef.numpy()[group],
                target_kl=self._target_kl[group],
            )
            own = {name: column[group] for name, column in columns.items()}
            steps.load(state, group)
            means[:, group], finite[group] = steps.run(own, orders[:, group], values, active.numpy()[group])
            steps.store(state, group)
        return dict(zip(TAGS, torch.from_numpy(means))), torch.from_numpy(finite)

    def _groups(self, rows: int) -> Iterator[slice]:
        """The members that are stepped together, for a batch of so many rows each."""
        members = self.networks.members
        size = rows // self._settings.minibatches
        bytes_per_member = (
            2 * 2 * 4 * size * sum(self.networks.shape.widths)
        )  # two networks, layers and slopes, float32
        together = max(1, GROUP_BYTES // bytes_per_member)
        for first in range(0, members, together):
            yield slice(first, min(first + together, members))

    def _steps_of(self, members: int, rows: int) -> MinibatchSteps:
        key = (members, rows)
        if key not in self._steps:
            self._steps[key] = MinibatchSteps(self.networks.shape, self._settings, members, rows)
        return self._steps[key]

    def _state(self) -> dict[str, Halves]:
        """Parameters and what the optimizer keeps of them: views, from which a group is read and written back."""
        parameters = self.networks.by_group(self.networks.parameters)
        state = {"parameters": (parameters["actor"].numpy(), parameters["critic"].numpy())}
        actor, critic = (self.optimizer.state[group["params"][0]] for group in self.optimizer.param_groups)
        for name in actor:
            state[name] = (actor[name].numpy(), critic[name].numpy())
        return state
