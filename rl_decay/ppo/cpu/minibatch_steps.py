"""The epochs of an update for a few members at a time, whose numbers then stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from rl_decay.ppo.cpu.mlp import TrainedMLP
from rl_decay.ppo.cpu.policies import policy_of
from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.step_scalars import TAGS


@dataclass(frozen=True)
class Settings:
    """What the minibatch steps of all members have in common."""

    minibatches: int
    value_clip: float | None
    joint: bool  # one gradient norm for both networks of a member
    betas: tuple[float, float]
    eps: float


@dataclass
class Values:
    """What may differ between members, [M] each; of the first two one number per network [2M], actors first."""

    rates: np.ndarray
    max_grad_norm: np.ndarray
    clip: np.ndarray
    entropy_coef: np.ndarray
    value_coef: np.ndarray
    target_kl: np.ndarray


Halves = tuple[np.ndarray, np.ndarray]  # [M, ...] of the actors and of the critics


@dataclass
class LearningState:
    """Parameters and Adam's moments of M members: rows [2M, ...], the actors before the critics."""

    parameters: np.ndarray  # [2M, P] float32, as the moments
    exp_avg: np.ndarray
    exp_avg_sq: np.ndarray
    beta1_power: np.ndarray  # [2M, 1] float64: b1^t after t steps
    beta2_power: np.ndarray

    def arrays(self) -> list[np.ndarray]:
        """All arrays, in one order."""
        return [self.parameters, self.exp_avg, self.exp_avg_sq, self.beta1_power, self.beta2_power]


class MinibatchSteps:
    """Minibatch steps of `members` members on `rows` rows each; what `MemberAdam` and `PPOGradient` do, in NumPy.

    A member computes the same bits in any company: nothing here mixes members.
    """

    def __init__(self, shape: NetShape, settings: Settings, members: int, rows: int):
        self.shape, self.settings = shape, settings
        self.members, self.rows = members, rows
        size = rows // settings.minibatches
        networks = 2 * members
        width = sum(shape.sizes)
        self._state = LearningState(
            *(np.zeros((networks, width), np.float32) for _ in range(3)), *(np.ones((networks, 1)) for _ in range(2))
        )
        self._gradient = np.zeros((networks, width), np.float32)
        self._scratch = np.empty_like(self._gradient)
        # The same memory, for operations that NumPy would need several passes for.
        self._gradient_tensor = torch.from_numpy(self._gradient)
        self._mean_tensor = torch.from_numpy(self._state.exp_avg)
        self._mean_square_tensor = torch.from_numpy(self._state.exp_avg_sq)
        self._mlp = TrainedMLP(shape, self._state.parameters, self._gradient, size)
        self._policy = policy_of(shape.spaces, members, size)
        actions = shape.spaces.num_actions
        log_stds = slice(width - shape.sizes[-1], width - shape.sizes[-1] + actions)
        # The actors'; the critics' rows are unused and keep gradient 0.
        self._log_std = self._state.parameters[:members, log_stds]
        self._d_log_std = self._gradient[:members, log_stds]
        self._actor_out = self._mlp.outputs[:members, :, :actions]
        self._d_actor_out = self._mlp.d_outputs[:members, :, :actions]
        self._values_out = self._mlp.outputs[members:, :, 0]
        self._d_values_out = self._mlp.d_outputs[members:, :, 0]
        self._terms = np.empty((5, members, size), np.float32)
        self._buffers = [np.empty((members, size), np.float32) for _ in range(6)]

    def load(self, population: Mapping[str, Halves], members: slice) -> None:
        """Take over the state of some members of a population."""
        for name, own in vars(self._state).items():
            for half, mine in zip(population[name], np.split(own, 2), strict=True):
                mine[:] = half[members]

    def store(self, population: Mapping[str, Halves], members: slice) -> None:
        """Write the state back."""
        for name, own in vars(self._state).items():
            for half, mine in zip(population[name], np.split(own, 2), strict=True):
                half[members] = mine

    def run(
        self, batch: dict[str, np.ndarray], orders: np.ndarray, values: Values, active: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """All minibatch steps; batch [M, R, ...] by the names of `Batch`, orders [E, M, R], active [M].

        Returns means [len(TAGS), M] over the valid rows of each member's last epoch in which it made a step, NaN
        without one, and whether its losses and gradients were finite [M].
        """
        finite = np.ones(self.members, bool)
        active = active.copy()
        means = np.full((len(TAGS), self.members), np.nan, np.float32)
        for order in orders:
            sums, counts = np.zeros_like(means), np.zeros(self.members, np.float32)
            epoch = _Epoch(batch, order, self.settings.minibatches)
            for b in range(self.settings.minibatches):
                stepped, scalars, undiverged = self._step(epoch, b, values, active)
                finite &= undiverged
                active &= undiverged
                rows = epoch.row_counts[b] * stepped
                # A member that made no step has 0 rows, but its scalars may be infinite, and infinity * 0 is NaN.
                sums += np.where(rows > 0, scalars * rows, 0)
                counts += rows
            means = np.where(counts > 0, sums / counts, means)
            # Not `kl <= target`: a member without a step has NaN here and goes on.
            active &= ~((counts > 0) & (means[TAGS.index("losses/approx_kl")] > values.target_kl))
        return means, finite

    def _step(
        self, epoch: _Epoch, b: int, values: Values, active: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One optimizer step of the active members; returns who stepped [M], the scalars, and who has not diverged."""
        terms = self._loss_gradient(epoch, b, values)
        norms, clipped = self._clip(values.max_grad_norm)
        by_group = (2, self.members)
        scalars = np.concatenate((terms, norms.reshape(by_group), clipped.reshape(by_group)))
        # Advantages are divided by their standard deviation, which needs two valid rows.
        stepped = active & (epoch.row_counts[b] >= 2)
        finite = np.isfinite(scalars).all(0)
        undiverged = finite | ~stepped
        stepped &= finite
        self._adam(values.rates, stepped)
        return stepped, scalars, undiverged

    def _loss_gradient(self, epoch: _Epoch, b: int, values: Values) -> np.ndarray:
        """Fill the gradient of the sum of the members' losses; returns the means of its terms [5, M]."""
        members, mlp, policy = self.members, self._mlp, self._policy
        log_ratio, ratio, clipped, d_log_prob, d_entropy, error = self._buffers
        policy_loss, value_loss, entropy, approx_kl, clip_fraction = self._terms
        weight, advantages = epoch.weight[b], epoch.advantages[b]
        epoch.take_obs(b, mlp.inputs[:members])
        np.copyto(mlp.inputs[members:], mlp.inputs[:members])  # the critics' inputs are those of the actors
        mlp.forward()
        policy.forward(self._actor_out, self._log_std, epoch.actions[b])
        np.subtract(policy.log_prob, epoch.old_log_probs[b], out=log_ratio)
        if epoch.has_fillers:  # their ratio could be infinite, and infinity * weight 0 is NaN
            log_ratio[weight == 0] = 0
        np.exp(log_ratio, out=ratio)

        # The policy loss is the larger of the unclipped and the clipped branch (Schulman et al. 2017, equation 7).
        # Where the clipped one is larger it is constant, so its slope is 0. Inside the clip range both are equal.
        clip = values.clip[:, None]
        np.clip(ratio, 1 - clip, 1 + clip, out=clipped)
        clipped *= advantages
        np.negative(clipped, out=clipped)
        unclipped = np.multiply(ratio, advantages, out=d_log_prob)
        np.negative(unclipped, out=unclipped)
        np.maximum(unclipped, clipped, out=policy_loss)
        has_slope = policy_loss <= unclipped
        np.multiply(unclipped, has_slope, out=d_log_prob)
        d_log_prob *= weight
        np.multiply(weight, -values.entropy_coef[:, None], out=d_entropy)
        np.copyto(entropy, policy.entropy)

        np.subtract(ratio, 1, out=ratio)
        np.subtract(ratio, log_ratio, out=approx_kl)  # Schulman's k3
        np.greater(np.abs(ratio, out=ratio), clip, out=clip_fraction)

        d_values = self._value_loss(epoch, b, value_loss, error)
        d_values *= weight
        d_values *= values.value_coef[:, None]
        self._d_values_out[:] = d_values
        policy.backward(d_log_prob, d_entropy, self._d_actor_out, self._d_log_std)
        mlp.backward()
        self._terms *= weight
        return np.add.reduce(self._terms, axis=-1)

    def _value_loss(self, epoch: _Epoch, b: int, loss: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Fill the value loss per row, half the squared error or the larger of it and the clipped one; its slopes."""
        np.subtract(self._values_out, epoch.returns[b], out=error)
        np.multiply(error, error, out=loss)
        bound = self.settings.value_clip
        if bound is not None:
            moved = self._values_out - epoch.old_values[b]
            clipped_error = epoch.old_values[b] + np.clip(moved, -bound, bound) - epoch.returns[b]
            inside = np.abs(moved) <= bound  # outside, the clipped value is a constant: no slope
            clipped_square = clipped_error * clipped_error
            error[:] = np.where(loss >= clipped_square, error, clipped_error * inside)
            np.maximum(loss, clipped_square, out=loss)
        loss *= 0.5
        return error

    def _clip(self, max_norm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scale the gradients by min(1, max_norm / (norm + 1e-6)), as `optim.clip_per_member`."""
        norms = torch.linalg.vector_norm(self._gradient_tensor, dim=1).numpy()
        to_limit = norms
        if self.settings.joint:
            actor, critic = np.split(norms, 2)
            to_limit = np.tile(np.sqrt(actor * actor + critic * critic), 2)
        # Never above 1: a small gradient is not blown up.
        scale = np.minimum(max_norm / (to_limit + np.float32(1e-6)), 1)
        if not (scale == 1).all():
            self._gradient *= scale[:, None]
        return norms, to_limit > max_norm

    def _adam(self, rates: np.ndarray, stepped: np.ndarray) -> None:
        """One step of Adam, as `MemberAdam`, of the members that step [M]; all others stay exactly as they are."""
        everybody = stepped.all()
        if not everybody:
            still = np.flatnonzero(~np.tile(stepped, 2))
            kept = [array[still] for array in self._state.arrays()]
        parameters, mean, mean_square, power1, power2 = self._state.arrays()
        scratch = self._scratch
        b1, b2 = self.settings.betas
        self._mean_tensor.lerp_(self._gradient_tensor, 1 - b1)
        mean_square *= np.float32(b2)
        self._mean_square_tensor.addcmul_(self._gradient_tensor, self._gradient_tensor, value=1 - b2)
        power1 *= b1
        power2 *= b2
        # Both bias corrections in float64: 1 - b2^t is 0.001 after one step.
        step_size = rates[:, None] / (1 - power1).astype(np.float32)
        np.sqrt(mean_square, out=scratch)
        scratch /= np.sqrt(1 - power2).astype(np.float32)
        scratch += np.float32(self.settings.eps)  # outside the root, as in the paper
        np.divide(mean, scratch, out=scratch)
        scratch *= step_size
        parameters -= scratch
        if not everybody:  # put back, do not multiply by 0: what such a member computes may be NaN
            for array, rows in zip(self._state.arrays(), kept, strict=True):
                array[still] = rows


class _Epoch:
    """The rows of a batch in an epoch's order, cut into minibatches: arrays [B, M, S, ...]."""

    def __init__(self, batch: dict[str, np.ndarray], order: np.ndarray, count: int):
        members, total = order.shape
        first_row = total * np.arange(members)[:, None]
        by_minibatch = (order + first_row).reshape(members, count, -1).transpose(1, 0, 2)
        self._rows = np.ascontiguousarray(by_minibatch)
        self._obs = batch["obs"].reshape(members * total, -1)
        self.actions = self._chosen(batch["actions"])
        self.old_log_probs = self._chosen(batch["old_log_probs"])
        self.returns = self._chosen(batch["returns"])
        self.old_values = self._chosen(batch["old_values"])
        valid = self._chosen(batch["valid"])
        self.row_counts = np.add.reduce(valid, axis=-1)  # [B, M]
        self.has_fillers = bool((self.row_counts < valid.shape[-1]).any())
        self.weight = valid / np.maximum(self.row_counts, 1)[..., None]
        self.advantages = self._standardised(self._chosen(batch["advantages"]), valid)

    def take_obs(self, b: int, out: np.ndarray) -> None:
        """Put the observations of a minibatch into `out` [M, S, D]."""
        np.take(self._obs, self._rows[b], axis=0, out=out, mode="clip")  # "raise" would need a copy of `out`

    def _chosen(self, column: np.ndarray) -> np.ndarray:
        return column.reshape(-1, *column.shape[2:]).take(self._rows, axis=0)

    def _standardised(self, x: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """(A - mean) / (std + 1e-8) over a minibatch's valid rows, std with ddof=1; 0 elsewhere."""
        mean = np.add.reduce(x * valid, axis=-1) / np.maximum(self.row_counts, 1)
        centred = (x - mean[..., None]) * valid
        degrees = np.maximum(self.row_counts - 1, 1)  # one valid row has no deviation: 0 / 1, not 0 / 0
        variance = np.add.reduce(centred * centred, axis=-1) / degrees
        return centred / (np.sqrt(variance)[..., None] + np.float32(1e-8))
