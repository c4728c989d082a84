"""Curves and schedulers in other processes: pickled, deep-copied, saved by torch.save."""

import copy
import io
import math
import pickle
import subprocess
import sys
import warnings

import pytest
import torch

from rl_decay.schedules import CURVES, Curve, constant, describe, join, linear, linear_warmup, none
from rl_decay.schedules.lr_scheduler import NamedGroupSchedule

COPIES = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "deepcopy": copy.deepcopy, "copy": copy.copy}
OWN = [
    *(make() for make in CURVES.values()),
    linear(0.3, 0.7),
    linear_warmup(0.25, start=0.1, final=0.2),
    constant(0.4),
    join([linear(0.0, 1.0), constant(0.5), math.cos, join([none(), linear()], [0.9])], [0.2, 0.2, 0.6]),
    Curve("cosine", {"speed": 1.0}, math.cos),
]


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("curve", OWN, ids=[curve.name for curve in OWN])
def test_a_copy_is_the_same_curve(curve, copied):
    twin = copied(curve)
    assert twin == curve and hash(twin) == hash(curve) and describe(twin) == describe(curve)
    assert [twin(p / 64) for p in range(-1, 66)] == [curve(p / 64) for p in range(-1, 66)]


def test_a_process_that_never_saw_the_curve_can_use_it():
    script = "import pickle, sys; curve = pickle.load(sys.stdin.buffer); print(curve.name, curve(0.75))"
    curve = join([none(), linear(final=0.5)], [0.5])
    ended = subprocess.run([sys.executable, "-c", script], input=pickle.dumps(curve), capture_output=True, check=True)
    assert ended.stdout.split() == [b"join", b"0.75"]  # half-way from 1 to 0.5


def test_a_joined_curve_keeps_its_parts_when_the_callers_list_changes():
    parts = [none(), linear()]
    curve = join(parts, [0.5])
    parts[1] = constant(7.0)
    assert curve(0.75) == 0.5


def make(steps, rate=1.0):
    """An optimizer and its scheduler after some steps."""
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    groups = [{"params": [w], "name": name} for w, name in zip(weights, ("actor", "critic"), strict=True)]
    optimizer = torch.optim.Adam(groups, lr=rate, capturable=False)
    scheduler = NamedGroupSchedule(optimizer, {"actor": linear(), "critic": linear_warmup(0.5)}, num_iterations=8)
    return trained(optimizer, scheduler, steps)


def trained(optimizer, scheduler, steps):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # `step` warns where it believes that no update was made
        for _ in range(steps):
            for group in optimizer.param_groups:
                for weight in group["params"]:
                    weight.grad = 0.1 * weight.detach()
            optimizer.step()
            scheduler.step()
    return optimizer, scheduler


def through_torch_save(value):
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [COPIES["pickle"], COPIES["deepcopy"], through_torch_save])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_scheduler_goes_on_with_the_optimizer_that_it_was_copied_with(steps, copied):
    optimizer, scheduler = copied(make(steps))
    assert scheduler.optimizer is optimizer
    _, whole = make(steps + 3)
    trained(optimizer, scheduler, 3)
    assert scheduler.get_last_lr() == whole.get_last_lr() and scheduler.last_epoch == steps + 3
    for group, expected in zip(optimizer.param_groups, whole.optimizer.param_groups, strict=True):
        assert group["lr"] == expected["lr"]
        assert torch.equal(group["params"][0], expected["params"][0])


@pytest.mark.parametrize("copied", [COPIES["pickle"], COPIES["deepcopy"]])
def test_between_an_update_and_its_scheduler_nothing_is_forgotten(copied):
    optimizer, scheduler = make(0)
    optimizer.step()
    _, later = copied((optimizer, scheduler))
    later.step()  # would warn, had the copy forgotten the update
    assert later.get_last_lr() == [0.875, 1.0]


def test_a_copy_still_warns_of_a_first_rate_that_was_never_used():
    _, scheduler = COPIES["pickle"](make(0))
    with pytest.warns(UserWarning, match="before"):
        scheduler.step()


def test_rates_of_many_members_stay_one_tensor_in_a_copy():
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    rate = torch.tensor([1.0, 2.0, 4.0])
    optimizer = torch.optim.SGD([{"params": [weight], "name": "actor", "lr": rate}])
    twin, scheduler = COPIES["pickle"]((optimizer, NamedGroupSchedule(optimizer, {"actor": linear()}, 4)))
    written = twin.param_groups[0]["lr"]
    twin.step()
    scheduler.step()
    assert twin.param_groups[0]["lr"] is written
    assert written.tolist() == [0.75, 1.5, 3.0] and rate.tolist() == [1.0, 2.0, 4.0]
