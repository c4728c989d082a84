"""PPO for a population: act, update, state. Everything it knows of a member is a tensor with a leading axis M."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rl_decay.config.schema import Config
from rl_decay.ppo.advantages import gae
from rl_decay.ppo.batches import flatten, masked_mean, member_first, minibatches
from rl_decay.ppo.distributions import distribution
from rl_decay.ppo.gradient import gradient_function
from rl_decay.ppo.losses import Coefficients
from rl_decay.ppo.moments import Moments, RewardScaler
from rl_decay.ppo.networks import ActorCritic, NetShape
from rl_decay.ppo.optim import MemberAdam, clip_per_member, set_learning_rates
from rl_decay.ppo.step_scalars import EpochMeans, step_scalars
from rl_decay.ppo.update_monitor import UpdateMonitor
from rl_decay.types import GROUPS, Batch, Member, Minibatch, Rollout, Spaces, aligned


class PPO:
    """Clipped PPO (Schulman et al. 2017) with separate networks and two param groups, `actor` and `critic`."""

    def __init__(
        self, config: Config, spaces: Spaces, members: Sequence[Member], seeds: Sequence[int], device: torch.device
    ):
        def column(name: str) -> Tensor:
            return torch.tensor([getattr(m, name) for m in members], dtype=torch.float32, device=device)

        self.algo = config.algo
        self.members = len(members)
        self.device = device
        shape = NetShape(spaces, tuple(config.net.hidden), config.net.activation)
        self.networks = ActorCritic(shape, seeds, config.net.log_std, device)
        self.alive = torch.ones(self.members, dtype=torch.bool, device=device)
        self.gamma, self.gae_lambda, self.value_coef = column("gamma"), column("gae_lambda"), column("value_coef")
        self.max_grad_norm, self.target_kl = column("max_grad_norm"), column("target_kl")
        base_rate = torch.tensor([m.lr["actor"] for m in members], dtype=torch.float32, device=device)
        self.optimizer = MemberAdam(
            # The groups share the buffer's memory, so one gradient serves both.
            {"params": [torch.nn.Parameter(parameters)], "name": name, "lr": torch.zeros_like(base_rate)}
            for name, parameters in self.networks.by_group(self.networks.parameters).items()
        )
        self.obs_moments = Moments(self.members, aligned(spaces.obs_size), device) if config.normalize.obs else None
        self.reward_scaler = (
            RewardScaler(self.members, config.env.num_envs, self.gamma) if config.normalize.reward else None
        )
        self.monitor = UpdateMonitor(self.networks, base_rate, self._normalised)
        self._gradient = gradient_function(shape, self.networks.parameters, self.algo.value_clip, config.compile)

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor | None) -> Tensor:
        """Actions [M, N(, A)] for observations [M, N, D]; noise [M, N, A], or None for the deterministic action."""
        policy = self.networks.policy(self._normalised(obs))
        return policy.mode() if noise is None else policy.sample(noise)

    def new_segment(self) -> None:
        """Every environment was reset: running returns start anew."""
        if self.reward_scaler is not None:
            self.reward_scaler.reset()

    def update(self, rollout: Rollout, permutations: Tensor, rates: dict[str, Tensor]) -> dict[str, Tensor]:
        """Learn from one rollout; permutations [E, M, T*N]; rates [M] of actor, critic, clip and entropy.

        Returns scalars per member [M] by their TensorBoard tag. A member whose loss or gradient is not finite makes
        no step and is no longer `alive`, nor is one whose parameters are not.
        """
        obs = member_first(rollout.obs[:-1])
        batch = self._batch(rollout)
        self.monitor.begin(obs)
        set_learning_rates(self.optimizer, {group: rates[group] for group in GROUPS})
        coefficients = Coefficients(rates["clip"], rates["entropy"], self.value_coef)
        report = self._epochs(batch, permutations, coefficients)
        self.alive &= self.networks.finite()
        report |= self.monitor.report(batch, self._rates()) | self._diagnostics(batch)
        if self.obs_moments is not None:  # only now: within an iteration the policy saw one normalisation
            self.obs_moments.merge(obs, member_first(rollout.valid))
        return report

    @torch.no_grad()
    def _batch(self, rollout: Rollout) -> Batch:
        """Values, log-probs and advantages of a rollout in one batched pass, flattened and masked."""
        steps, _, num_envs = rollout.rewards.shape
        obs = self._normalised(member_first(rollout.obs))
        actor_out, values = self.networks.outputs(obs)
        rewards = rollout.rewards
        if self.reward_scaler is not None:
            rewards = self.reward_scaler.scale(rewards, rollout.done, rollout.valid)
        values = values.unflatten(1, (steps + 1, num_envs)).transpose(0, 1)
        advantages = gae(
            rewards,
            values,
            rollout.terminated,
            rollout.done,
            gamma=self.gamma.unsqueeze(-1),
            gae_lambda=self.gae_lambda.unsqueeze(-1),
        )
        rows = steps * num_envs
        policy = distribution(actor_out[:, :rows], self.networks.log_std, self.networks.shape.spaces.continuous)
        return flatten(obs[:, :rows], policy, rollout, advantages, values[:-1])

    def _epochs(self, batch: Batch, permutations: Tensor, coefficients: Coefficients) -> dict[str, Tensor]:
        """Minibatch steps; returns, by tag, the means [M] over the valid rows of each member's last epoch."""
        active = self.alive.clone()
        means = EpochMeans(self.members, self.device)
        for order in permutations:
            means.new_epoch()
            for minibatch in minibatches(batch, order, self.algo.minibatches):
                stepped, scalars = self._step(minibatch, coefficients, active)
                active = active & self.alive
                means.add(scalars, minibatch.rows * stepped)
            active = active & ~(means.end_epoch()["losses/approx_kl"] > self.target_kl)
        return means.last()

    @torch.no_grad()
    def _step(self, minibatch: Minibatch, coefficients: Coefficients, active: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step of the active members; returns who stepped [M] and its `step_scalars`."""
        gradient, terms = self._gradient(minibatch, coefficients)
        gradient, norms, clipped = clip_per_member(gradient, self.max_grad_norm, self.algo.grad_clip == "joint")
        scalars = step_scalars(terms, norms, clipped)
        stepped = active & (minibatch.rows >= 2)  # fewer have no standard deviation
        finite = scalars.isfinite().all(0)
        self.alive &= finite | ~stepped
        stepped &= finite
        gradients = self.networks.by_group(gradient)
        for group in self.optimizer.param_groups:
            group["params"][0].grad = gradients[group["name"]]
        self.optimizer.step(stepped)
        return stepped, scalars

    @torch.no_grad()
    def _diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Explained variance 1 - Var(returns - values) / Var(returns) before the update, policy std, rates used."""

        def variance(x: Tensor) -> Tensor:
            centred = x - masked_mean(x, batch.valid).unsqueeze(-1)
            return masked_mean(centred.square(), batch.valid)

        explained = 1 - variance(batch.returns - batch.old_values) / variance(batch.returns)
        std = torch.full_like(explained, torch.nan)
        if self.networks.shape.spaces.continuous:
            std = self.networks.log_std.exp().mean(-1)
        report = {"losses/explained_variance": explained, "losses/policy_std": std}
        for group, rate in self._rates().items():
            report[f"lr/{group}"] = rate.clone()
        return report

    def _rates(self) -> dict[str, Tensor]:
        """The rates [M] that the optimizer holds, by group."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def _normalised(self, obs: Tensor) -> Tensor:
        return obs if self.obs_moments is None else self.obs_moments.normalise(obs)

    def state_dict(self) -> dict[str, Any]:
        """All that learning has changed, as tensors whose first axis is the member."""
        state: dict[str, Any] = {"alive": self.alive}
        paths = self.monitor.path_state()
        for group in self.optimizer.param_groups:
            (parameters,), name = group["params"], group["name"]
            state[name] = {"parameters": parameters.detach(), "path": paths[name], **self.optimizer.state[parameters]}
        for name in ("obs_moments", "reward_scaler"):
            part = getattr(self, name)
            if part is not None:
                state[name] = part.state_dict()
        if probes := self.monitor.probe_state():
            state["probes"] = probes
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of the same shapes."""
        self.alive.copy_(state["alive"])
        self.monitor.load({group: state[group]["path"] for group in GROUPS}, state.get("probes", {}))
        for group in self.optimizer.param_groups:
            (parameters,), saved = group["params"], state[group["name"]]
            for name, tensor in {"parameters": parameters, **self.optimizer.state[parameters]}.items():
                tensor.copy_(saved[name])
        for name in ("obs_moments", "reward_scaler"):
            part = getattr(self, name)
            if part is not None:
                part.load_state_dict(state[name])
