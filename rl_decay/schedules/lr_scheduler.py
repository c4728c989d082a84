"""The curves as a PyTorch learning-rate scheduler, for anybody's own training loop.

The trainer of this package does not use it: there the rates are tensors [M] that `ppo.update` takes as arguments and
`ppo/optim.py` writes.
"""

import math
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rl_decay.plain import number, plain, whole_number
from rl_decay.schedules.curves import Schedule, describe, progress


class NamedGroupSchedule(LRScheduler):
    """Gives each named param group a schedule of its own: lr = initial_lr * schedule(progress).

    The first update uses progress 0; from iteration T on the rate stays where it ended. Call `step()` once per
    iteration, after the optimizer's.

    A group's rate is a float, or a tensor of any shape (one rate, or [M] for M members), which is written in place:
    the tensor stays the same object, so a captured CUDA graph keeps reading it. The base rate is the group's
    `initial_lr`, as in all of PyTorch's schedulers.

    Errors: ValueError unless every group has a `name` of its own, a rate of floating point, and one schedule by that
    name, which is checked again at each step; for an iteration that is no whole number; and if T < 1.

    Pickled, it takes its optimizer along: `pickle.dumps((optimizer, scheduler))` keeps the two together.

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
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.schedules = _functions(schedules)
        self.num_iterations = _iteration("num_iterations", num_iterations)
        if plain(inclusive) not in (True, False):
            raise ValueError(f"inclusive must be true or false, got {inclusive!r}")
        self.inclusive = bool(inclusive)
        _check_groups(optimizer, self.schedules)
        for group in optimizer.param_groups:
            for key in ("lr", "initial_lr"):
                if key in group and not isinstance(group[key], Tensor):
                    group[key] = number(group[key])  # a NumPy scalar would make torch.load(weights_only=True) refuse
        super().__init__(optimizer)  # notes each group's initial_lr, then calls step() for iteration 0

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each group at the present iteration."""
        rates = []
        for group in self.optimizer.param_groups:
            # optimizer.load_state_dict replaces the groups: a state saved without a scheduler has no initial_lr.
            if "initial_lr" not in group:
                raise ValueError(f"the group {group['name']!r} lost its initial_lr: make the scheduler after loading")
            rates.append(group["initial_lr"] * self._factor(group["name"]))
        return rates

    def step(self, epoch: int | None = None) -> None:
        """Go to the next iteration (or to `epoch`) and set the rates; call it after `optimizer.step()`."""
        _check_groups(self.optimizer, self.schedules)
        if self.last_epoch == 0 and not getattr(self.optimizer, "_opt_called", False):
            warnings.warn(
                "scheduler.step() came before optimizer.step(): the first rate of the schedule was never used",
                stacklevel=2,
            )
        self.last_epoch = self.last_epoch + 1 if epoch is None else _iteration("epoch", epoch)
        self._set_rates()

    def state_dict(self) -> dict[str, Any]:
        """The iteration, and the horizon, clock and schedules with their knobs, as plain values."""
        return {
            "iteration": self.last_epoch,
            "num_iterations": self.num_iterations,
            "inclusive": self.inclusive,
            "schedules": {name: describe(schedule) for name, schedule in self.schedules.items()},
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved iteration and set its rates; load the optimizer's own state before.

        Errors: ValueError if the state was saved under another horizon, clock or schedule: the rate would jump, or go
        on along a curve that the saved run never had.
        """
        for key, present in self.state_dict().items():
            if key != "iteration" and state_dict.get(key) != present:
                raise ValueError(f"{key} differs: saved with {state_dict.get(key)}, now {present}")
        _check_groups(self.optimizer, self.schedules)
        self.last_epoch = _iteration("iteration", state_dict.get("iteration"))
        self._set_rates()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"optimizer_stepped": getattr(self.optimizer, "_opt_called", False)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # PyTorch's schedulers mark an optimizer that has made a step, and pickling loses the mark: without it the next
        # `step` would warn for no reason.
        stepped = state.pop("optimizer_stepped")
        self.__dict__.update(state)
        if stepped:
            _note_step(self.optimizer)
        self.optimizer.register_step_post_hook(_note_step)

    def _factor(self, name: str) -> float:
        """The factor of a group's schedule at the present iteration; ValueError unless it is a finite number."""
        now = progress(self.last_epoch, self.num_iterations, self.inclusive)
        value = self.schedules[name](now)
        factor = number(value)
        if factor is None or not math.isfinite(factor):
            raise ValueError(f"the schedule of {name!r} gives {value!r} at progress {now:g}: not a finite number")
        return factor

    def _set_rates(self) -> None:
        # PyTorch's own writer takes one number per group: a tensor with several rates, [M], needs this one.
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].copy_(torch.as_tensor(rate, dtype=group["lr"].dtype, device=group["lr"].device))
            else:
                group["lr"] = float(rate)


def _note_step(optimizer: Optimizer, *_: Any) -> None:
    optimizer._opt_called = True  # type: ignore[attr-defined]  # the name that PyTorch's schedulers use


def _functions(schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    if not isinstance(schedules, Mapping):
        raise ValueError(f"schedules must be a mapping from names of param groups to functions, got {schedules!r}")
    for name, schedule in schedules.items():
        if not callable(schedule):
            raise ValueError(f"the schedule of {name!r} must be a function of the progress, got {schedule!r}")
    return dict(schedules)


def _iteration(name: str, value: Any) -> int:
    """A number of iterations as an int, 4.0 included; ValueError for anything that is not one."""
    value = plain(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    iteration = whole_number(value)
    if iteration is None or iteration < 0:
        raise ValueError(f"{name} must be a whole number of iterations, got {value!r}")
    return iteration


def _check_groups(optimizer: Optimizer, schedules: Mapping[str, Schedule]) -> None:
    """ValueError unless names and schedules pair up and every rate is a number, or a tensor of floating point."""
    names = [group.get("name") for group in optimizer.param_groups]
    if Counter(names) != Counter(list(schedules)):
        raise ValueError(
            f"the param groups are named {names}, the schedules are for {list(schedules)}: "
            "each group needs a `name` of its own, and each name one schedule; a group that is added later needs a new "
            "scheduler"
        )
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr"):
            rate = group.get(key, 0.0)  # LRScheduler adds initial_lr only after this check
            if isinstance(rate, Tensor) and not rate.is_floating_point():
                raise ValueError(f"the {key} of the group {group['name']!r} is a tensor of {rate.dtype}: give floats")
            if not isinstance(rate, Tensor) and number(rate) is None:
                raise ValueError(f"the {key} of the group {group['name']!r} must be a number or a tensor, got {rate!r}")
