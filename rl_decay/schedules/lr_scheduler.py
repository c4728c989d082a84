"""The curves as a PyTorch learning-rate scheduler, for anybody's training loop."""

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rl_decay.schedules.curves import Schedule, describe, progress


class NamedGroupSchedule(LRScheduler):
    """Gives each named param group a schedule of its own: lr = initial_lr * schedule(progress).

    The first update uses progress 0; from iteration T on the rate stays where it ended. Call `step()` once per
    iteration, after the optimizer's.

    A group's rate is a float, or a tensor of any shape (one rate, or [M] for M members), which is written in place:
    the tensor stays the same object, so a captured CUDA graph keeps reading it. The base rate is the group's
    `initial_lr`, as in all of PyTorch's schedulers.

    ValueError unless every group has a `name` of its own and every name has one schedule, or if T < 1.

    >>> from rl_decay.schedules import linear, none
    >>> actor, critic = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    >>> groups = [{"params": [actor], "name": "actor"}, {"params": [critic], "name": "critic", "lr": 1.0}]
    >>> optimizer = torch.optim.SGD(groups, lr=0.5)
    >>> scheduler = NamedGroupSchedule(optimizer, {"actor": linear(), "critic": none()}, num_iterations=4)
    >>> for _ in range(4):
    ...     print(scheduler.get_last_lr())
    ...     optimizer.step()
    ...     scheduler.step()
    [0.5, 1.0]
    [0.375, 1.0]
    [0.25, 1.0]
    [0.125, 1.0]
    """

    def __init__(
        self, optimizer: Optimizer, schedules: Mapping[str, Schedule], num_iterations: int, inclusive: bool = False
    ) -> None:
        names = [group.get("name") for group in optimizer.param_groups]
        if Counter(names) != Counter(list(schedules)):
            raise ValueError(
                f"the param groups are named {names}, the schedules are for {list(schedules)}: "
                "each group needs a `name` of its own, and each name one schedule"
            )
        self.schedules = dict(schedules)
        self.num_iterations = int(num_iterations)
        self.inclusive = bool(inclusive)
        for group in optimizer.param_groups:
            if not isinstance(group["lr"], Tensor):
                group["lr"] = float(group["lr"])  # a NumPy scalar would make torch.load(weights_only=True) refuse
        super().__init__(optimizer)  # notes each group's initial_lr, then calls step() for iteration 0

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each group at the present iteration."""
        now = progress(self.last_epoch, self.num_iterations, self.inclusive)
        groups = self.optimizer.param_groups
        return [group["initial_lr"] * float(self.schedules[group["name"]](now)) for group in groups]

    def step(self, epoch: int | None = None) -> None:
        """Go to the next iteration (or to `epoch`) and set the rates; call it after `optimizer.step()`."""
        if self.last_epoch == 0 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "scheduler.step() came before optimizer.step(): the first rate of the schedule was never used",
                stacklevel=2,
            )
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self._set_rates()

    def state_dict(self) -> dict[str, Any]:
        """The iteration and what the schedules were made of, as plain values."""
        return {
            "iteration": self.last_epoch,
            "num_iterations": self.num_iterations,
            "inclusive": self.inclusive,
            "schedules": {name: describe(schedule) for name, schedule in self.schedules.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved iteration and set its rates; load the optimizer's own state before.

        ValueError if the state was saved under another horizon, clock or schedule: the rate would jump, or follow a
        slope that nobody asked for.
        """
        for key, present in self.state_dict().items():
            if key != "iteration" and state_dict.get(key) != present:
                raise ValueError(f"{key} differs: saved with {state_dict.get(key)}, now {present}")
        self.last_epoch = state_dict["iteration"]
        self._set_rates()

    def _set_rates(self) -> None:
        # PyTorch's own writer takes one number per group, so that a rate per member [M] needs this one.
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(torch.as_tensor(rate, dtype=group["lr"].dtype))
            else:
                group["lr"] = float(rate)
