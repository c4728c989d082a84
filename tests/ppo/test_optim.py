"""MemberAdam against one torch.optim.Adam per member, and gradient clipping against PyTorch's own."""

import math

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from rl_decay.ppo.optim import MemberAdam, clip_per_member, set_learning_rates

MEMBERS, SIZE = 3, 8


def member_adam(members=MEMBERS, names=("actor", "critic")):
    """One group per name, with parameters [M, 8] drawn from a fixed seed."""
    g = torch.Generator().manual_seed(0)
    groups = [
        {
            "params": [torch.nn.Parameter(torch.randn(members, SIZE, generator=g))],
            "name": name,
            "lr": torch.zeros(members),
        }
        for name in names
    ]
    return MemberAdam(groups)


def parameters(optimizer):
    return [group["params"][0] for group in optimizer.param_groups]


def gradients(count, members=MEMBERS, seed=1):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(members, SIZE, generator=g) * 10 ** torch.randn(members, 1, generator=g) for _ in range(count)]


def everything(optimizer):
    tensors = [p for p in parameters(optimizer)]
    return tensors + [x for p in parameters(optimizer) for x in optimizer.state[p].values()]


def test_one_torch_adam_per_member():
    optimizer = member_adam(names=("actor",))
    (p,) = parameters(optimizer)
    twins = [torch.nn.Parameter(row.clone()) for row in p.detach()]
    adams = [torch.optim.Adam([twin], lr=1.0, eps=1e-5) for twin in twins]
    for k, grad in enumerate(gradients(50)):
        rates = torch.tensor([1e-2, 3e-3, 1e-4]) * (1 - k / 50)
        set_learning_rates(optimizer, {"actor": rates})
        p.grad = grad
        optimizer.step()
        for m, (twin, adam) in enumerate(zip(twins, adams)):
            twin.grad, adam.param_groups[0]["lr"] = grad[m].clone(), rates[m].item()
            adam.step()
    torch.testing.assert_close(p.detach(), torch.stack([t.detach() for t in twins]), rtol=0, atol=1e-6)


def test_the_first_step_by_hand():
    # bias correction makes the moments g and g^2: a step of lr * g / (|g| + eps), whatever the size of g >> eps
    optimizer = member_adam(names=("actor",))
    (p,) = parameters(optimizer)
    before = p.detach().clone()
    set_learning_rates(optimizer, {"actor": torch.tensor([0.1, 0.01, 0.0])})
    p.grad = torch.tensor([[2.0], [-300.0], [5.0]]).expand(MEMBERS, SIZE).clone()
    optimizer.step()
    expected = torch.tensor([[-0.1], [0.01], [0.0]]).expand(MEMBERS, SIZE)
    torch.testing.assert_close(p.detach() - before, expected, rtol=1e-4, atol=0)


def test_rates_are_written_in_place():
    optimizer = member_adam()
    tensors = [group["lr"] for group in optimizer.param_groups]
    set_learning_rates(optimizer, {"critic": torch.tensor([4.0, 5.0, 6.0]), "actor": torch.tensor([1.0, 2.0, 3.0])})
    assert [group["lr"] is tensor for group, tensor in zip(optimizer.param_groups, tensors)] == [True, True]
    assert [t.tolist() for t in tensors] == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]


@pytest.mark.parametrize("names", [["actor"], ["actor", "critic", "other"], ["actor", "value"]])
def test_rates_must_name_the_groups(names):
    with pytest.raises(ValueError, match="critic"):
        set_learning_rates(member_adam(), {name: torch.zeros(MEMBERS) for name in names})


@pytest.mark.parametrize("garbage", [0.0, 1e30, math.nan, math.inf])
def test_a_member_at_rest_keeps_every_bit(garbage):
    optimizer, twin = member_adam(), member_adam()
    for o in (optimizer, twin):
        set_learning_rates(o, {"actor": torch.full((MEMBERS,), 0.01), "critic": torch.full((MEMBERS,), 0.02)})
    for k, grad in enumerate(gradients(6)):
        active = torch.tensor([True, k < 3, True])
        spoiled = grad.clone()
        spoiled[1] = grad[1] if k < 3 else garbage
        for p in parameters(optimizer):
            p.grad = spoiled.clone()
        optimizer.step(active)
        if k < 3:  # the twin's members all rest from here on
            for p in parameters(twin):
                p.grad = grad.clone()
            twin.step()
    for x, at_rest in zip(everything(optimizer), everything(twin)):
        assert torch.equal(x[1], at_rest[1])
        assert not torch.equal(x[0], at_rest[0])


def test_a_member_that_paused_goes_on_as_if_it_had_not():
    # steps 0, 1, 4 of a member that paused at 2 and 3 are the steps 0, 1, 2 of one that got only those gradients
    optimizer, twin = member_adam(), member_adam(members=MEMBERS)
    grads = gradients(5)
    for o, ks in ((optimizer, range(5)), (twin, (0, 1, 4))):
        set_learning_rates(o, {"actor": torch.full((MEMBERS,), 0.01), "critic": torch.full((MEMBERS,), 0.01)})
        for k in ks:
            for p in parameters(o):
                p.grad = grads[k].clone()
            o.step(torch.tensor([True, k not in (2, 3), True]))
    for x, y in zip(everything(optimizer), everything(twin)):
        assert torch.equal(x[1], y[1])


def test_members_are_independent():
    together = member_adam()
    for k, grad in enumerate(gradients(5)):
        set_learning_rates(together, {name: torch.tensor([0.1, 0.01, 0.001]) / (k + 1) for name in ("actor", "critic")})
        for p in parameters(together):
            p.grad = grad.clone()
        together.step()
    for m in range(MEMBERS):
        alone = member_adam(members=1)
        for p, q in zip(parameters(alone), parameters(member_adam())):
            p.data.copy_(q.data[m : m + 1])
        for k, grad in enumerate(gradients(5)):
            rate = torch.tensor([0.1, 0.01, 0.001])[m : m + 1] / (k + 1)
            set_learning_rates(alone, {"actor": rate, "critic": rate})
            for p in parameters(alone):
                p.grad = grad[m : m + 1].clone()
            alone.step()
        for x, y in zip(everything(together), everything(alone)):
            assert torch.equal(x[m : m + 1], y)


def torch_clipped(rows, limit):
    """The rows as the gradients of so many parameters, clipped together by PyTorch; also their norm before."""
    ps = [torch.nn.Parameter(torch.zeros_like(row)) for row in rows]
    for p, row in zip(ps, rows):
        p.grad = row.clone()
    norm = clip_grad_norm_(ps, limit)
    return torch.stack([p.grad for p in ps]), norm


@pytest.mark.parametrize("joint", [False, True], ids=["per_group", "joint"])
def test_clipping_is_pytorchs_per_member(joint):
    g = torch.Generator().manual_seed(0)
    grad = torch.randn(2 * MEMBERS, SIZE, generator=g) * torch.tensor([[0.01], [1.0], [9.0], [0.01], [0.02], [9.0]])
    limits = torch.tensor([0.5, 0.5, 2.0])
    found, norms, clipped = clip_per_member(grad, limits, joint)
    torch.testing.assert_close(norms, grad.norm(dim=1))
    for m in range(MEMBERS):
        pair = [m, MEMBERS + m]
        expected = [torch_clipped(grad[rows], limits[m].item()) for rows in ([pair] if joint else [[r] for r in pair])]
        torch.testing.assert_close(found[pair], torch.cat([rows for rows, _ in expected]))
        over = [bool(norm > limits[m]) for rows, norm in expected for _ in rows]
        assert clipped[pair].tolist() == over
    assert 0 < clipped.sum() < 2 * MEMBERS


def test_clipping_by_hand():
    # norms 5 and 12, jointly 13; limit 6.5: per network the second shrinks by 6.5/12, jointly both by 1/2
    grad = torch.tensor([[3.0, 4.0], [0.0, 12.0]])
    found, norms, clipped = clip_per_member(grad, torch.tensor([6.5]), joint=False)
    torch.testing.assert_close(found, torch.tensor([[3.0, 4.0], [0.0, 6.5]]))
    assert (norms.tolist(), clipped.tolist()) == ([5.0, 12.0], [False, True])
    found, norms, clipped = clip_per_member(grad, torch.tensor([6.5]), joint=True)
    torch.testing.assert_close(found, torch.tensor([[1.5, 2.0], [0.0, 6.0]]))
    assert (norms.tolist(), clipped.tolist()) == ([5.0, 12.0], [True, True])


@pytest.mark.parametrize("joint", [False, True])
def test_an_infinite_limit_is_off(joint):
    grad = 1e6 * torch.randn(4, SIZE, generator=torch.Generator().manual_seed(0))
    found, _, clipped = clip_per_member(grad, torch.tensor([math.inf, 0.5]), joint)
    assert torch.equal(found[[0, 2]], grad[[0, 2]])
    assert clipped.tolist() == [False, True, False, True]


@pytest.mark.parametrize("garbage", [1e30, math.nan, math.inf])
def test_clipping_keeps_members_apart(garbage):
    grad = torch.randn(4, SIZE, generator=torch.Generator().manual_seed(0))
    spoiled = grad.clone()
    spoiled[[1, 3]] = garbage
    for joint in (False, True):
        clean, dirty = (clip_per_member(x, torch.tensor([0.5, 0.5]), joint) for x in (grad, spoiled))
        for a, b in zip(clean, dirty):
            assert torch.equal(a[[0, 2]], b[[0, 2]])
