"""The scheduler against the plain loop, against PyTorch's own schedulers, and across a checkpoint."""

import io
import math
import re
from functools import partial

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LinearLR, PolynomialLR, SequentialLR

from rl_decay.schedules import join, linear, linear_warmup, none
from rl_decay.schedules.lr_scheduler import NamedGroupSchedule

T, W, LR, FINAL = 10, 3, 1e-3, 0.1
PER_MEMBER = torch.tensor([LR, 2 * LR, 4 * LR])
close = partial(pytest.approx, abs=1e-12 * LR)


def make_optimizer(actor_lr=LR, critic_lr=LR, names=("actor", "critic")):
    weights = [torch.zeros(1, requires_grad=True) for _ in names]
    groups = zip(weights, (actor_lr, critic_lr), names, strict=True)
    return torch.optim.SGD([{"params": [weight], "lr": lr, "name": name} for weight, lr, name in groups])


def make_schedule(actor=None, critic=None, optimizer=None, num_iterations=T, inclusive=False):
    curves = {"actor": actor or linear(final=FINAL), "critic": critic or none()}
    return NamedGroupSchedule(optimizer or make_optimizer(), curves, num_iterations, inclusive)


def rates_used(scheduler, iterations=T):
    """The actor's and the critic's rates in the updates of an ordinary loop."""
    used = [], []
    for _ in range(iterations):
        for rates, group in zip(used, scheduler.optimizer.param_groups, strict=True):
            rates.append(torch.as_tensor(group["lr"], dtype=torch.float64).tolist())
        scheduler.optimizer.step()
        scheduler.step()
    return used


def test_equals_the_loop_by_hand_and_stays_at_its_end():
    straight, held = rates_used(make_schedule(linear(final=FINAL), linear_warmup(W / T, final=FINAL)), T + 3)
    lr_final = FINAL * LR
    assert straight == close([LR - (LR - lr_final) * min(t, T) / T for t in range(T + 3)])
    assert held == close([LR if t < W else LR - (LR - lr_final) * (min(t, T) - W) / (T - W) for t in range(T + 3)])
    assert straight[0] == LR and straight[T:] == [LR * FINAL] * 3
    inclusive, _ = rates_used(make_schedule(inclusive=True))
    assert inclusive == close([LR - (LR - lr_final) * t / (T - 1) for t in range(T)]) and inclusive[-1] == LR * FINAL


OURS_AND_THEIRS = {
    "LambdaLR": (linear(final=FINAL), lambda o: LambdaLR(o, lambda t: 1 - (1 - FINAL) * t / T)),
    "LinearLR": (linear(final=FINAL), lambda o: LinearLR(o, 1.0, FINAL, T)),
    "LinearLR up": (linear(0.2, 1.0), lambda o: LinearLR(o, 0.2, 1.0, T)),
    "PolynomialLR": (linear(), lambda o: PolynomialLR(o, T, power=1.0)),
    "SequentialLR, hold": (
        linear_warmup(W / T, final=FINAL),
        lambda o: SequentialLR(o, [ConstantLR(o, 1.0), LinearLR(o, 1.0, FINAL, T - W)], [W]),
    ),
    "SequentialLR, ramp": (
        linear_warmup(W / T, 0.2, FINAL),
        lambda o: SequentialLR(o, [LinearLR(o, 0.2, 1.0, W), LinearLR(o, 1.0, FINAL, T - W)], [W]),
    ),
}


@pytest.mark.parametrize(("ours", "theirs"), OURS_AND_THEIRS.values(), ids=OURS_AND_THEIRS)
def test_equals_pytorchs_own_where_it_has_the_shape(ours, theirs):
    assert rates_used(make_schedule(ours))[0] == close(rates_used(theirs(make_optimizer()))[0])


def naive(optimizer):
    return LambdaLR(optimizer, lambda t: 1 - t / T)


def test_the_naive_lambda_decays_to_zero_and_then_climbs():
    theirs, ours = rates_used(naive(make_optimizer()), T + 2)[0], rates_used(make_schedule(), T + 2)[0]
    assert theirs[T] == 0.0 and theirs[T + 1] < 0.0  # a negative rate ascends the loss
    assert ours[T] == ours[T + 1] == LR * FINAL


@pytest.mark.parametrize("make", [naive, lambda optimizer: make_schedule(optimizer=optimizer)])
def test_stepping_the_scheduler_first_loses_the_first_rate_and_warns(make):
    scheduler = make(make_optimizer())
    with pytest.warns(UserWarning, match="first"):
        scheduler.step()
    assert scheduler.optimizer.param_groups[0]["lr"] < LR


@pytest.mark.parametrize("base", [torch.tensor(LR), PER_MEMBER, PER_MEMBER[:, None]])
def test_tensor_rates_are_written_in_place(base):
    scheduler = make_schedule(optimizer=make_optimizer(base.clone()))
    group = scheduler.optimizer.param_groups[0]
    tensor, address = group["lr"], group["lr"].data_ptr()
    rates_used(scheduler, T // 2)
    assert group["lr"] is tensor and tensor.data_ptr() == address
    torch.testing.assert_close(tensor, base * 0.55)  # 1 - 0.9 * 1/2
    assert torch.equal(group["initial_lr"], base)


def test_float_rates_are_plain_floats():
    scheduler = make_schedule(lambda p: np.float64(1.0 - p), None, make_optimizer(np.float64(LR), 1))
    rates_used(scheduler, 2)
    assert {type(group[key]) for group in scheduler.optimizer.param_groups for key in ("lr", "initial_lr")} == {float}


@pytest.mark.parametrize("second", ["critic", "actor", None])
@pytest.mark.parametrize("scheduled", [["actor"], ["actor", "critic", "other"], ["actor", "value"]])
def test_every_group_has_one_name_and_every_name_one_schedule(second, scheduled):
    optimizer = make_optimizer(names=["actor", second])
    with pytest.raises(ValueError, match=re.escape(f"named {['actor', second]}, the schedules are for {scheduled}")):
        NamedGroupSchedule(optimizer, dict.fromkeys(scheduled, none()), T)


def through_a_file(*owners):
    """The states of these, saved and loaded without executing code."""
    file = io.BytesIO()
    torch.save([owner.state_dict() for owner in owners], file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


def test_the_state_is_plain_and_complete():
    curve = {"curve": "linear_warmup", "warmup": 0.3, "start": 1.0, "final": FINAL}
    expected = {"num_iterations": T, "inclusive": True, "schedules": {"actor": curve, "critic": {"curve": "cos"}}}
    scheduler = make_schedule(linear_warmup(0.3, final=FINAL), math.cos, inclusive=True)
    assert through_a_file(scheduler) == [{"iteration": 0, **expected}]


@pytest.mark.parametrize("base", [LR, torch.tensor(LR), PER_MEMBER])
@pytest.mark.parametrize("cut", [0, 1, W, T - 1, T + 1])
def test_resuming_equals_never_stopping(base, cut):
    def fresh(scale):
        curve = join([none(), linear(final=FINAL)], [W / T])
        return make_schedule(curve, linear(), make_optimizer(scale * base))

    whole, before, after = fresh(1), fresh(1), fresh(7)  # the saved base rates win over those of the new process
    start = rates_used(before, cut)
    optimizer_state, state = through_a_file(before.optimizer, before)
    after.optimizer.load_state_dict(optimizer_state)
    for group in after.optimizer.param_groups:
        group["lr"] *= 0.0  # the iteration prescribes the rate, whatever stood there
    after.load_state_dict(state)
    assert after.get_last_lr()[1] == before.get_last_lr()[1]
    rest = rates_used(after, T + 3 - cut)
    assert rates_used(whole, T + 3) == (start[0] + rest[0], start[1] + rest[1])


MISMATCHES = [
    ({"num_iterations": 20}, "10", "20"),
    ({"inclusive": True}, "False", "True"),
    ({"actor": linear(final=0.2)}, "'final': 0.1", "'final': 0.2"),
    ({"critic": linear_warmup()}, "'curve': 'none'", "'curve': 'linear_warmup'"),
]


@pytest.mark.parametrize(("settings", "saved", "present"), MISMATCHES)
def test_loading_under_other_settings_is_refused_and_changes_nothing(settings, saved, present):
    before, after = make_schedule(), make_schedule(**settings)
    rates_used(before, 4)
    with pytest.raises(ValueError, match=f"saved with .*{saved}.* now .*{present}"):
        after.load_state_dict(before.state_dict())
    assert rates_used(after) == rates_used(make_schedule(**settings))


@pytest.mark.parametrize("wrong", [4.9, True, "4", None, math.nan, math.inf, -1, [4]])
def test_numbers_of_iterations_are_whole(wrong):
    with pytest.raises(
        ValueError, match=re.escape(f"num_iterations must be a whole number of iterations, got {wrong!r}")
    ):
        make_schedule(num_iterations=wrong)
    scheduler = make_schedule()
    scheduler.optimizer.step()
    if wrong is not None:  # the next iteration
        with pytest.raises(ValueError, match="epoch must be a whole number of iterations"):
            scheduler.step(wrong)
    with pytest.raises(ValueError, match="iteration must be a whole number of iterations"):
        scheduler.load_state_dict(scheduler.state_dict() | {"iteration": wrong})
    assert scheduler.last_epoch == 0 and scheduler.get_last_lr() == [LR, LR]


@pytest.mark.parametrize("exact", [4, 4.0, np.int64(4), np.float32(4.0), np.array(4), torch.tensor(4)])
def test_whole_numbers_of_any_library_are_taken_and_stored_as_ints(exact):
    scheduler = make_schedule(num_iterations=exact)
    scheduler.optimizer.step()
    scheduler.step(exact)
    (state,) = through_a_file(scheduler)
    assert (state["num_iterations"], state["iteration"]) == (4, 4)
    assert type(scheduler.num_iterations) is int and type(scheduler.last_epoch) is int


def test_a_group_that_is_added_later_is_refused_before_anything_changes():
    scheduler = make_schedule()
    scheduler.optimizer.step()
    scheduler.optimizer.add_param_group({"params": [torch.zeros(1, requires_grad=True)], "lr": LR, "name": "extra"})
    for change in (scheduler.step, lambda: scheduler.load_state_dict(scheduler.state_dict())):
        with pytest.raises(ValueError, match=r"'extra'.*a group that is added later needs a new scheduler"):
            change()
    assert scheduler.last_epoch == 0


@pytest.mark.parametrize("rate", [torch.tensor(1), torch.tensor([1, 2]), torch.tensor(True)])
def test_a_tensor_of_whole_numbers_is_no_rate(rate):
    """It could only hold the schedule's values rounded down: 1, then 0."""
    with pytest.raises(ValueError, match=rf"the lr of the group 'actor' is a tensor of {rate.dtype}"):
        make_schedule(optimizer=make_optimizer(rate))


def test_a_rate_that_is_no_number():
    with pytest.raises(ValueError, match="the lr of the group 'actor' must be a number or a tensor, got 'fast'"):
        make_schedule(optimizer=make_optimizer("fast"))


def test_loading_an_optimizer_that_had_no_scheduler_is_named():
    scheduler, other = make_schedule(), make_optimizer()
    scheduler.optimizer.load_state_dict(other.state_dict())
    scheduler.optimizer.step()
    with pytest.raises(ValueError, match="the group 'actor' lost its initial_lr"):
        scheduler.step()


def test_schedules_are_functions_that_give_finite_numbers():
    with pytest.raises(ValueError, match=r"the schedule of 'actor' must be a function of the progress, got 0\.5"):
        make_schedule(0.5)
    for value in (math.nan, "0.5", None):
        with pytest.raises(ValueError, match=re.escape(f"the schedule of 'actor' gives {value!r} at progress 0")):
            make_schedule(lambda p, value=value: value)
    with pytest.raises(ValueError, match="schedules must be a mapping"):
        NamedGroupSchedule(make_optimizer(), [linear(), none()], T)
    with pytest.raises(TypeError, match="Linear is not an Optimizer"):
        NamedGroupSchedule(torch.nn.Linear(1, 1), {}, T)
    with pytest.raises(ValueError, match="inclusive must be true or false, got 'no'"):
        make_schedule(inclusive="no")


def test_it_takes_part_in_pytorchs_sequences():
    optimizer = make_optimizer()
    sequence = SequentialLR(optimizer, [make_schedule(linear(final=FINAL), none(), optimizer), naive(optimizer)], [2])
    assert rates_used(sequence, 4)[0] == close([LR, 0.91 * LR, LR, 0.9 * LR])
