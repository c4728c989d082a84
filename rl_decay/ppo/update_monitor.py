"""How far and in which direction updates moved parameters and policy; metrics/paths.py is the NumPy reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from rl_decay.ppo.batches import masked_mean
from rl_decay.ppo.distributions import Categorical, DiagGaussian, distribution
from rl_decay.ppo.networks import ActorCritic
from rl_decay.types import GROUPS, Batch

BLOCK = 50  # updates over which straightness and the share of negative cosines are taken
PROBES = 256  # observations of the first rollout on which churn is measured


def probe_rows(rows: int) -> slice:
    """Which rows of a rollout are the probes: up to `PROBES`, evenly spaced."""
    step = max(1, rows // PROBES)
    return slice(0, step * PROBES, step)


def norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last axis."""
    return x.square().sum(-1).sqrt()


def relative_step(before: Tensor, after: Tensor) -> Tensor:
    """|after - before| / |before| over the last axis: the effective step size. inf where |before| is 0."""
    return norm(after - before) / norm(before)


def cosine(step: Tensor, previous: Tensor) -> Tensor:
    """Cosine of two updates over the last axis: -1 bouncing, 0 diffusion, 1 drift. NaN where either is 0."""
    return (step * previous).sum(-1) / (norm(step) * norm(previous))


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
        moved = (new.mean - old.mean).abs() / old.log_std.exp().unsqueeze(1)
        return moved.flatten(1).mean(-1)
    return (new.mode() != old.mode()).float().mean(-1)


class UpdateMonitor:
    """Watches how far each update moves the parameters of both groups and the policy.

    `normalise` is what the policy does with raw observations before it acts on them. Churn is measured on the same
    observations ("probes") in every update: those that the first rollout brought.
    """

    def __init__(self, networks: ActorCritic, base_rate: Tensor, normalise: Callable[[Tensor], Tensor]):
        self._networks, self._base_rate, self._normalise = networks, base_rate, normalise
        self._path = UpdatePath(networks.parameters)
        self._probes: Tensor | None = None  # [M, P, D] raw observations
        self._outputs = networks.parameters[:0], networks.parameters[:0]  # of the policy before the update, on probes

    def begin(self, obs: Tensor) -> None:
        """Note the parameters before an update; the first one's raw observations [M, S, D] become the probes."""
        self._before = self._networks.parameters.clone()
        if self._probes is None:
            self._probes = obs[:, probe_rows(obs.shape[1])].clone()
            self._outputs = self._networks.policy_outputs(self._normalise(self._probes))

    @torch.no_grad()
    def report(self, batch: Batch, rates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How far the update moved parameters and policy, scalars [M] by tag; rates [M] of both groups."""
        networks, continuous = self._networks, self._networks.shape.spaces.continuous
        report = {}
        for name, rows in self._path.add(self._before, networks.parameters, networks.rows(rates)).items():
            for group, value in networks.by_group(rows).items():
                report[f"update/{group}/{name}"] = value
        kl = kl_from(batch.old_log_probs, networks.policy(batch.obs).log_prob(batch.actions), batch.valid)
        relative = rates["actor"] / self._base_rate
        before = self._outputs
        assert self._probes is not None
        self._outputs = networks.policy_outputs(self._normalise(self._probes))
        report["update/kl_post"] = kl
        report["update/kl_over_lr2"] = torch.where(relative > 0, kl / relative.square(), torch.nan)
        report["update/churn"] = churn(distribution(*before, continuous), distribution(*self._outputs, continuous))
        return report

    def path_state(self) -> dict[str, dict[str, Tensor]]:
        """The path of each group: {group: {name: tensor [M, ...]}}."""
        state: dict[str, dict[str, Tensor]] = {group: {} for group in GROUPS}
        for name, rows in self._path.state_dict().items():
            for group, value in self._networks.by_group(rows).items():
                state[group][name] = value
        return state

    def probe_state(self) -> dict[str, Tensor]:
        """The probes and what the policy made of them [M, ...]; {} before the first update."""
        if self._probes is None:
            return {}
        outputs, log_std = self._outputs
        return {"obs": self._probes, "outputs": outputs, "log_std": log_std}

    def load(self, path: Mapping[str, Mapping[str, Tensor]], probes: Mapping[str, Tensor]) -> None:
        """Take over the states of `path_state` and `probe_state`."""
        by_name = {}
        for name in path["actor"]:
            by_name[name] = self._networks.rows({group: path[group][name] for group in GROUPS})
        self._path.load_state_dict(by_name)
        if probes:
            device = self._networks.parameters.device
            self._probes = probes["obs"].to(device)
            self._outputs = probes["outputs"].to(device), probes["log_std"].to(device)


class UpdatePath:
    """The path of stacked parameters [G, P] over blocks of `BLOCK` updates, kept as sums instead of positions."""

    _STATE = ("previous", "total", "length", "negative", "defined", "updates")

    def __init__(self, parameters: Tensor):
        rows = parameters.shape[0]
        self.previous = torch.zeros_like(parameters)  # the last update
        self.total = torch.zeros_like(parameters)  # sum of the block's updates, each divided by its rate
        self.length = parameters.new_zeros(rows)  # sum of their norms
        self.negative, self.defined = parameters.new_zeros(rows), parameters.new_zeros(rows)  # cosines
        self.updates = parameters.new_zeros(rows)  # of the block

    def add(self, before: Tensor, after: Tensor, rates: Tensor) -> dict[str, Tensor]:
        """Take one update, with the rates [G] it used; returns per row [G]:

        rel_step       |D| / |before|
        cos_prev       cosine of this update and the one before; NaN for the first, and where either is 0
        straightness   |sum D/lr| / sum |D/lr| over a block: 1 straight, 1/sqrt(n) diffusion; a rate of 0 adds nothing
        frac_neg_cos   share of the block's defined cosines that are below 0

        The last two are NaN but at the end of a block.
        """
        step = after - before
        cos = cosine(step, self.previous)
        scaled = torch.where(rates > 0, 1 / rates, 0.0).unsqueeze(-1) * step
        self.previous, self.total = step, self.total + scaled
        self.length = self.length + norm(scaled)
        self.negative, self.defined = self.negative + (cos < 0), self.defined + ~cos.isnan()
        self.updates = self.updates + 1
        full = self.updates >= BLOCK
        report = {
            "rel_step": relative_step(before, after),
            "cos_prev": cos,
            "straightness": torch.where(full, norm(self.total) / self.length, torch.nan),
            "frac_neg_cos": torch.where(full, self.negative / self.defined, torch.nan),
        }
        for name in self._STATE[1:]:
            value = getattr(self, name)
            setattr(self, name, torch.where(full.view(-1, *[1] * (value.dim() - 1)), 0.0, value))
        return report

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors whose first axis is the row."""
        return {name: getattr(self, name) for name in self._STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over tensors of the same shapes."""
        for name in self._STATE:
            setattr(self, name, state[name].to(self.previous))
