"""PPO for a population: act, update, state. All data of the members is in tensors with a leading axis M."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rl_decay.config.schema import Config
from rl_decay.ppo.advantages import gae
from rl_decay.ppo.batches import explained_variance, flatten, member_first
from rl_decay.ppo.cpu.acting import ArrayActor
from rl_decay.ppo.cpu.epochs import ArrayEpochs
from rl_decay.ppo.epochs import Epochs, Limits, TensorEpochs
from rl_decay.ppo.losses import Coefficients
from rl_decay.ppo.moments import Moments, RewardScaler
from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.networks import ActorCritic
from rl_decay.ppo.optim import MemberAdam, set_learning_rates
from rl_decay.ppo.update_monitor import UpdateMonitor
from rl_decay.types import GROUPS, Batch, Member, Rollout, Spaces, aligned


class PPO:
    """Clipped PPO (Schulman et al. 2017) with separate networks and two param groups, `actor` and `critic`."""

    def __init__(
        self, config: Config, spaces: Spaces, members: Sequence[Member], seeds: Sequence[int], device: torch.device
    ):
        def column(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        self.algo = config.algo
        self.members = len(members)
        self.device = device
        self.gamma = column([m.gamma for m in members])
        self.gae_lambda = column([m.gae_lambda for m in members])
        self.value_coef = column([m.value_coef for m in members])
        limits = Limits(column([m.max_grad_norm for m in members]), column([m.target_kl for m in members]))
        actor_base_rate = column([m.lr["actor"] for m in members])

        shape = NetShape(spaces, tuple(config.net.hidden), config.net.activation)
        self.networks = ActorCritic(shape, seeds, config.net.log_std, device)
        self.optimizer = MemberAdam(self.networks.param_groups())
        self.obs_moments: Moments | None = None
        if config.normalize.obs:
            self.obs_moments = Moments(self.members, aligned(spaces.obs_size), device)
        self.reward_scaler: RewardScaler | None = None
        if config.normalize.reward:
            self.reward_scaler = RewardScaler(self.members, config.env.num_envs, self.gamma)
        self.monitor = UpdateMonitor(self.networks, actor_base_rate, self._normalised)
        self._array_actor = ArrayActor(self.networks, self.obs_moments) if device.type == "cpu" else None
        self._epochs: Epochs
        if device.type == "cpu" and config.compile == "none":
            self._epochs = ArrayEpochs(self.networks, self.optimizer, limits, self.algo)
        else:
            self._epochs = TensorEpochs(self.networks, self.optimizer, limits, self.algo, config.compile)

    def act(self, obs: Tensor, noise: Tensor | None) -> Tensor:
        """Actions [M, N(, C or A)] for observations [M, N, D]; noise [M, N, A], or None for deterministic actions."""
        if self._array_actor is not None:
            return torch.from_numpy(self._array_actor(obs.numpy(), None if noise is None else noise.numpy()))
        with torch.no_grad():
            policy = self.networks.policy(self._normalised(obs))
            return policy.mode() if noise is None else policy.sample(noise)

    def new_segment(self) -> None:
        """Every environment was reset: running returns start anew."""
        if self.reward_scaler is not None:
            self.reward_scaler.reset()

    @np.errstate(all="ignore")  # what a diverging member computes is looked at, and no reason for a warning
    def update(
        self, rollout: Rollout, permutations: Tensor, values: dict[str, Tensor], active: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Learn from one rollout; permutations [E, M, T*N]; values [M] of the schedules by role.

        Members that are not `active` [M] make no step. Returns scalars per member [M] by their TensorBoard tag, and
        whether the numbers of each member are finite [M]: one whose loss or gradient is not makes no further step.
        """
        obs = member_first(rollout.obs[:-1])
        batch = self._batch(rollout)
        self.monitor.begin(obs)
        set_learning_rates(self.optimizer, {group: values[group] for group in GROUPS})
        coefficients = Coefficients(values["clip"], values["entropy"], self.value_coef)
        report, finite = self._epochs(batch, permutations, coefficients, active)
        finite = finite & self.networks.finite()  # a step may overflow the parameters that it leaves behind
        report |= self.monitor.report(batch, self._rates())
        report |= self._diagnostics(batch)
        # Last: the policy that acted and the policy that learns must see the same normalised observations, or their
        # probability ratio would not be 1 before the first step.
        if self.obs_moments is not None:
            self.obs_moments.merge(obs, member_first(rollout.valid))
        return report, finite

    @torch.no_grad()
    def _batch(self, rollout: Rollout) -> Batch:
        """The rollout's rows, flattened, with values, log-probs and advantages; filler rows zeroed."""
        steps, _, num_envs = rollout.rewards.shape
        rows = steps * num_envs
        # One pass over T+1 observations gives the bootstrap values too: obs[t+1] is the observation reached by step t.
        obs = self._normalised(member_first(rollout.obs))
        actor_out, values = self.networks.outputs(obs)
        values = values.unflatten(1, (steps + 1, num_envs)).transpose(0, 1)
        rewards = rollout.rewards
        if self.reward_scaler is not None:
            rewards = self.reward_scaler.scale(rewards, rollout.done, rollout.valid)
        advantages = gae(
            rewards,
            values,
            rollout.terminated,
            rollout.done,
            gamma=self.gamma.unsqueeze(-1),
            gae_lambda=self.gae_lambda.unsqueeze(-1),
        )
        # The log-probs are computed here and not while acting: one large pass costs less than T small ones.
        acting_out = actor_out[:, :rows]  # without the last observations, on which no action was taken yet
        policy = self.networks.shape.distribution(acting_out, self.networks.log_std)
        return flatten(obs[:, :rows], policy, rollout, advantages, values[:-1])

    @torch.no_grad()
    def _diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Explained variance of the values before the update, the policy's standard deviation, and the rates used."""
        explained = explained_variance(batch)
        std = torch.full_like(explained, torch.nan)
        if self.networks.shape.spaces.continuous:
            std = self.networks.log_std.exp().mean(-1)
        report = {"losses/explained_variance": explained, "losses/policy_std": std}
        for group, rate in self._rates().items():
            report[f"lr/{group}"] = rate.clone()  # the optimizer's own tensor is overwritten by the next iteration
        return report

    def _rates(self) -> dict[str, Tensor]:
        """The rates [M] that the optimizer holds, by group."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def _normalised(self, obs: Tensor) -> Tensor:
        return obs if self.obs_moments is None else self.obs_moments.normalise(obs)

    def _running_moments(self) -> dict[str, Moments | RewardScaler]:
        """The normalisers that are switched on, by their name in the state."""
        moments: dict[str, Moments | RewardScaler] = {}
        if self.obs_moments is not None:
            moments["obs_moments"] = self.obs_moments
        if self.reward_scaler is not None:
            moments["reward_scaler"] = self.reward_scaler
        return moments

    def state_dict(self) -> dict[str, Any]:
        """All that learning has changed, as tensors whose first axis is the member."""
        # Always true, since only members in training are saved: earlier versions of this program require the key.
        state: dict[str, Any] = {"alive": torch.ones(self.members, dtype=torch.bool, device=self.device)}
        paths = self.monitor.path_state()
        for group in self.optimizer.param_groups:
            name = group["name"]
            (parameters,) = group["params"]
            state[name] = {
                "parameters": parameters.detach(),
                "path": paths[name],
                **self.optimizer.state[parameters],
            }
        for name, moments in self._running_moments().items():
            state[name] = moments.state_dict()
        if probes := self.monitor.probe_state():
            state["probes"] = probes
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of the same shapes."""
        paths = {group: state[group]["path"] for group in GROUPS}
        self.monitor.load(paths, state.get("probes", {}))
        for group in self.optimizer.param_groups:
            saved = state[group["name"]]
            (parameters,) = group["params"]
            # In place: the networks, the gradient and the optimizer hold views of the same memory.
            parameters.copy_(saved["parameters"])
            for name, moment in self.optimizer.state[parameters].items():
                moment.copy_(saved[name])
        for name, moments in self._running_moments().items():
            moments.load_state_dict(state[name])
