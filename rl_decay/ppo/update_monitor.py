"""How far and in which direction updates moved parameters and policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rl_decay.ppo.batches import masked_mean
from rl_decay.ppo.distributions import Categorical, DiagGaussian
from rl_decay.ppo.networks import ActorCritic
from rl_decay.ppo.update_path import UpdatePath
from rl_decay.types import GROUPS, Batch

PROBES = 256  # at most so many observations of the first rollout, on which churn is measured


def probe_rows(rows: int) -> slice:
    """Which of so many rows of a rollout become probes: up to `PROBES`, evenly spaced."""
    step = max(1, rows // PROBES)
    return slice(0, step * PROBES, step)


def kl_from(old_log_probs: Tensor, log_probs: Tensor, valid: Tensor) -> Tensor:
    """KL(old, new) per member [M] from the log-probs [M, S] of the old policy's actions, over valid rows [M, S].

    mean of (r - 1) - log r,    r = new / old probability        (k3 of Schulman 2020, "Approximating KL divergence")
    """
    log_ratio = log_probs - old_log_probs
    return masked_mean(log_ratio.expm1() - log_ratio, valid)


def churn(old: Categorical | DiagGaussian, new: Categorical | DiagGaussian) -> Tensor:
    """How much of a policy changed on given observations, per member [M].

    Discrete: the share of [M, S] whose most probable action is another one. Continuous: the mean of |new mean - old
    mean| / old standard deviation over [M, S, A]. Schaul et al. 2022 (arXiv:2206.00730).
    """
    if isinstance(old, DiagGaussian):
        assert isinstance(new, DiagGaussian)
        deviations = (new.mean - old.mean).abs() / old.log_std.exp().unsqueeze(1)
        return deviations.flatten(1).mean(-1)
    return (new.mode() != old.mode()).float().mean(-1)


class UpdateMonitor:
    """Measures how far each update moves the parameters of both groups and the policy.

    actor_base_rate [M]: the actor's rate where its schedule's factor is 1. `normalise` turns raw observations into the
    inputs of the policy. Churn is measured on probes: observations of the first rollout, kept for all updates.
    """

    def __init__(self, networks: ActorCritic, actor_base_rate: Tensor, normalise: Callable[[Tensor], Tensor]):
        self._networks = networks
        self._actor_base_rate = actor_base_rate
        self._normalise = normalise
        self._path = UpdatePath(networks.parameters)
        # Raw [M, P, D], not normalised: churn then covers what a new normalisation does to the policy, too.
        self._probe_obs: Tensor | None = None
        # (logits or means, log_std) on the probes after the last update; empty until the first rollout.
        self._probe_outputs = (networks.parameters[:0], networks.parameters[:0])

    def begin(self, obs: Tensor) -> None:
        """Note the parameters before an update; of the first update's raw observations [M, S, D], take the probes."""
        self._before = self._networks.parameters.clone()  # the optimizer writes in place
        if self._probe_obs is None:
            rows = probe_rows(obs.shape[1])
            self._probe_obs = obs[:, rows].clone()
            self._probe_outputs = self._networks.policy_outputs(self._normalise(self._probe_obs))

    @torch.no_grad()
    def report(self, batch: Batch, rates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How far the update moved parameters and policy, scalars [M] by tag; rates [M] of both groups."""
        assert self._probe_obs is not None, "report without begin"
        networks = self._networks
        report = {}
        path = self._path.add(self._before, networks.parameters, networks.rows(rates))
        for name, rows in path.items():
            for group, value in networks.by_group(rows).items():
                report[f"update/{group}/{name}"] = value

        new_log_probs = networks.policy(batch.obs).log_prob(batch.actions)
        kl = kl_from(batch.old_log_probs, new_log_probs, batch.valid)
        report["update/kl_post"] = kl
        # KL grows with the square of a small step, so this stays level if the rate alone explains a decay of KL.
        relative_rate = rates["actor"] / self._actor_base_rate
        report["update/kl_over_lr2"] = torch.where(relative_rate > 0, kl / relative_rate.square(), torch.nan)

        old_policy = networks.shape.distribution(*self._probe_outputs)
        self._probe_outputs = networks.policy_outputs(self._normalise(self._probe_obs))
        new_policy = networks.shape.distribution(*self._probe_outputs)
        report["update/churn"] = churn(old_policy, new_policy)
        return report

    def path_state(self) -> dict[str, dict[str, Tensor]]:
        """The path of each group: {group: {name: tensor [M, ...]}}."""
        state: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
        for name, rows in self._path.state_dict().items():
            for group, value in self._networks.by_group(rows).items():
                state[group][name] = value
        return state

    def probe_state(self) -> dict[str, Tensor]:
        """The probes and the policy's outputs on them [M, ...]; {} before the first update."""
        if self._probe_obs is None:
            return {}
        outputs, log_std = self._probe_outputs
        return {"obs": self._probe_obs, "outputs": outputs, "log_std": log_std}

    def load(self, path: Mapping[str, Mapping[str, Tensor]], probes: Mapping[str, Tensor]) -> None:
        """Take over the states of `path_state` and `probe_state`."""
        rows = {}
        for name in path["actor"]:  # both groups have the same names
            by_group = {group: path[group][name] for group in GROUPS}
            rows[name] = self._networks.rows(by_group)
        self._path.load_state_dict(rows)
        if probes:  # saved, not recomputed: the observation moments have moved since
            device = self._networks.parameters.device
            self._probe_obs = probes["obs"].to(device)
            outputs = probes["outputs"].to(device)
            log_std = probes["log_std"].to(device)
            self._probe_outputs = (outputs, log_std)
