"""PPO for a population: act, update, state. Everything it knows of a member is a tensor with a leading axis M."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rl_decay.config.schema import Config
from rl_decay.ppo.accelerate import gradient_function
from rl_decay.ppo.advantages import gae
from rl_decay.ppo.batches import flatten, masked_mean, member_first, minibatches
from rl_decay.ppo.distributions import distribution
from rl_decay.ppo.geometry import UpdatePath, churn, kl_from, probe_rows
from rl_decay.ppo.losses import Coefficients
from rl_decay.ppo.moments import Moments, RewardScaler
from rl_decay.ppo.networks import NetShape, initial_parameters
from rl_decay.ppo.optim import MemberAdam, clip_per_member, set_learning_rates
from rl_decay.types import Batch, Member, Minibatch, Rollout, Spaces, aligned

LOSSES = ("policy_loss", "value_loss", "entropy", "approx_kl", "clipfrac")  # tags of the loss terms, in their order
GROUPS = ("actor", "critic")


class PPO:
    """Clipped PPO (Schulman et al. 2017) with separate networks and two param groups, `actor` and `critic`."""

    def __init__(
        self, config: Config, spaces: Spaces, members: Sequence[Member], seeds: Sequence[int], device: torch.device
    ):
        self.algo = config.algo
        self.members = len(members)
        self.device = device
        self.shape = NetShape(spaces, tuple(config.net.hidden), config.net.activation)
        self.flat = initial_parameters(self.shape, seeds, config.net.log_std).to(device)
        self.path = UpdatePath(self.flat)
        self.base_rate = torch.tensor([m.lr["actor"] for m in members], device=device)
        self.probes: Tensor | None = None  # [M, P, D] observations on which churn is measured
        self.probed: tuple[Tensor, Tensor] = (self.flat[:0], self.flat[:0])  # what the policy last made of them
        self.alive = torch.ones(self.members, dtype=torch.bool, device=device)

        def column(name: str) -> Tensor:
            return torch.tensor([getattr(m, name) for m in members], dtype=torch.float32, device=device)

        self.gamma, self.gae_lambda, self.value_coef = column("gamma"), column("gae_lambda"), column("value_coef")
        self.max_grad_norm, self.target_kl = column("max_grad_norm"), column("target_kl")
        self.optimizer = MemberAdam(
            # the two groups share the buffer's memory, so one gradient serves both
            {"params": [torch.nn.Parameter(half)], "name": name, "lr": torch.zeros(self.members, device=device)}
            for name, half in zip(GROUPS, self.flat.chunk(2))
        )
        self.obs_moments = Moments(self.members, aligned(spaces.obs_size), device) if config.normalize.obs else None
        self.reward_scaler = (
            RewardScaler(self.members, config.env.num_envs, self.gamma) if config.normalize.reward else None
        )
        # views of the buffer, which is only ever written in place
        self._actor, self._log_std = self.shape.unpack(self.flat[: self.members])
        self._gradient = gradient_function(self.shape, self.flat, self.algo.value_clip, config.compile)

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Tensor | None) -> Tensor:
        """Actions [M, N(, A)] for observations [M, N, D]; noise [M, N, A], or None for the deterministic action."""
        actor_out = self.shape.actor(self._actor, self._normalised(obs))
        policy = distribution(actor_out, self._log_std, self.shape.spaces.continuous)
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
        batch = self._batch(rollout)
        if self.probes is None:
            obs = member_first(rollout.obs[:-1])
            self.probes = obs[:, probe_rows(obs.shape[1])].clone()
            self.probed = self._outputs(self.probes)
        set_learning_rates(self.optimizer, {name: rates[name] for name in GROUPS})
        coefficients = Coefficients(rates["clip"], rates["entropy"], self.value_coef)
        before = self.flat.clone()
        report = self._epochs(batch, permutations, coefficients)
        self.alive &= self.flat.isfinite().all(-1).view(2, -1).all(0)
        report |= self._geometry(before, batch) | self._diagnostics(batch)
        if self.obs_moments is not None:  # only now: within an iteration the policy saw one normalisation
            self.obs_moments.merge(member_first(rollout.obs[:-1]), member_first(rollout.valid))
        return report

    @torch.no_grad()
    def _batch(self, rollout: Rollout) -> Batch:
        """Values, log-probs and advantages of a rollout in one batched pass, flattened and masked."""
        steps, _, num_envs = rollout.rewards.shape
        obs = self._normalised(member_first(rollout.obs))
        actor_out, log_std, values = self.shape.actor_critic(self.flat, obs)
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
        policy = distribution(actor_out[:, :rows], log_std, self.shape.spaces.continuous)
        return flatten(obs[:, :rows], policy, rollout, advantages, values[:-1])

    def _epochs(self, batch: Batch, permutations: Tensor, coefficients: Coefficients) -> dict[str, Tensor]:
        """Minibatch steps; returns the means over the valid rows of each member's last epoch."""
        active = self.alive.clone()
        report = torch.full((len(LOSSES) + 4, self.members), torch.nan, device=self.device)
        for order in permutations:
            sums, rows = torch.zeros_like(report), torch.zeros_like(report[0])
            for minibatch in minibatches(batch, order, self.algo.minibatches):
                stepped, scalars = self._step(minibatch, coefficients, active)
                active = active & self.alive
                weight = minibatch.rows * stepped
                sums += torch.where(stepped, scalars * weight, 0.0)
                rows += weight
            means = sums / rows
            report = torch.where(rows > 0, means, report)
            active = active & ~(means[list(LOSSES).index("approx_kl")] > self.target_kl)
        names = [f"losses/{n}" for n in LOSSES]
        names += [f"update/{g}/{n}" for n in ("grad_norm", "clipped_share") for g in GROUPS]
        return dict(zip(names, report))

    @torch.no_grad()
    def _step(self, minibatch: Minibatch, coefficients: Coefficients, active: Tensor) -> tuple[Tensor, Tensor]:
        """One optimizer step of the active members; returns who stepped [M] and its scalars [9, M]."""
        gradient, terms = self._gradient(minibatch, coefficients)
        gradient, norms, clipped = clip_per_member(gradient, self.max_grad_norm, self.algo.grad_clip == "joint")
        scalars = torch.cat((terms, norms.view(2, -1), clipped.view(2, -1)))
        stepped = active & (minibatch.rows >= 2)  # fewer have no standard deviation
        finite = scalars.isfinite().all(0)
        self.alive &= finite | ~stepped
        stepped &= finite
        for group, half in zip(self.optimizer.param_groups, gradient.chunk(2)):
            group["params"][0].grad = half
        self.optimizer.step(stepped)
        return stepped, scalars

    @torch.no_grad()
    def _geometry(self, before: Tensor, batch: Batch) -> dict[str, Tensor]:
        """How far the update moved parameters and policy, by tag."""
        continuous = self.shape.spaces.continuous
        rates = [group["lr"] for group in self.optimizer.param_groups]
        moved = self.path.add(before, self.flat, torch.cat(rates))
        report = {f"update/{g}/{k}": half for k, v in moved.items() for g, half in zip(GROUPS, v.chunk(2))}
        policy = distribution(self.shape.actor(self._actor, batch.obs), self._log_std, continuous)
        kl = kl_from(batch.old_log_probs, policy.log_prob(batch.actions), batch.valid)
        relative = rates[0] / self.base_rate
        assert self.probes is not None
        old, self.probed = self.probed, self._outputs(self.probes)
        return report | {
            "update/kl_post": kl,
            "update/kl_over_lr2": torch.where(relative > 0, kl / relative.square(), torch.nan),
            "update/churn": churn(distribution(*old, continuous), distribution(*self.probed, continuous)),
        }

    @torch.no_grad()
    def _outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """What the policy makes of observations [M, S, D]: its outputs [M, S, A] and log_std [M, A]."""
        return self.shape.actor(self._actor, self._normalised(obs)), self._log_std.clone()

    @torch.no_grad()
    def _diagnostics(self, batch: Batch) -> dict[str, Tensor]:
        """Explained variance 1 - Var(returns - values) / Var(returns) before the update, policy std, rates used."""

        def variance(x: Tensor) -> Tensor:
            centred = x - masked_mean(x, batch.valid).unsqueeze(-1)
            return masked_mean(centred.square(), batch.valid)

        explained = 1 - variance(batch.returns - batch.old_values) / variance(batch.returns)
        std = self._log_std.exp().mean(-1) if self.shape.spaces.continuous else torch.full_like(explained, torch.nan)
        rates = {f"lr/{group['name']}": group["lr"].clone() for group in self.optimizer.param_groups}
        return {"losses/explained_variance": explained, "losses/policy_std": std, **rates}

    def _normalised(self, obs: Tensor) -> Tensor:
        return obs if self.obs_moments is None else self.obs_moments.normalise(obs)

    def state_dict(self) -> dict[str, Any]:
        """All that learning has changed, as tensors whose first axis is the member."""
        state: dict[str, Any] = {"alive": self.alive}
        path = {name: value.chunk(2) for name, value in self.path.state_dict().items()}
        for i, group in enumerate(self.optimizer.param_groups):
            p = group["params"][0]
            own = {name: halves[i] for name, halves in path.items()}
            state[group["name"]] = {"parameters": p.detach(), "path": own, **self.optimizer.state[p]}
        for name in ("obs_moments", "reward_scaler"):
            part = getattr(self, name)
            if part is not None:
                state[name] = part.state_dict()
        if self.probes is not None:
            state["probes"] = {"obs": self.probes, "outputs": self.probed[0], "log_std": self.probed[1]}
        return state

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of the same shapes."""
        self.alive.copy_(state["alive"])
        halves = [state[name]["path"] for name in GROUPS]
        self.path.load_state_dict({name: torch.cat([half[name] for half in halves]) for name in halves[0]})
        for group in self.optimizer.param_groups:
            (p,), saved = group["params"], state[group["name"]]
            for name, tensor in {"parameters": p, **self.optimizer.state[p]}.items():
                tensor.copy_(saved[name])
        for name in ("obs_moments", "reward_scaler"):
            part = getattr(self, name)
            if part is not None:
                part.load_state_dict(state[name])
        if "probes" in state:
            self.probes, *probed = (state["probes"][key].to(self.device) for key in ("obs", "outputs", "log_std"))
            self.probed = probed[0], probed[1]
