"""Training on a GPU is training on the CPU, but for rounding."""

import pytest
import torch

from rl_decay.runs import layout
from rl_decay.training import checkpoints

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # PyTorch's own, while it imports inductor
]


@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1", "tests/Corridor-v0"])
def test_one_iteration_agrees_with_the_cpu(task, configure, train):
    def agent(device):
        options = {"env__id": task, "normalize__obs": True, "normalize__reward": True, "total_steps": 64}
        results = train(*(configure(seed=seed, device=device, **options) for seed in (0, 1)))
        assert results[0].summary["device"] == device
        return [checkpoints.load(r.folder / layout.CHECKPOINTS / layout.LATEST)["agent"] for r in results]

    for on_cpu, on_gpu in zip(agent("cpu"), agent("cuda")):
        for group in ("actor", "critic"):
            torch.testing.assert_close(on_gpu[group]["parameters"], on_cpu[group]["parameters"], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1"])
@pytest.mark.parametrize("compile", ["none", "inductor"])
def test_two_iterations_finish(task, compile, configure, train, columns):
    options = {"env__id": task, "normalize__obs": True, "normalize__reward": True, "total_steps": 2 * 64}
    results = train(*(configure(seed=seed, device="cuda", compile=compile, **options) for seed in (0, 1)))
    for result in results:
        assert result.status == layout.FINISHED
        assert "" not in columns(result)["losses/value_loss"]


def test_a_broken_member_on_the_gpu_ends_alone(configure, train):
    results = train(*(configure(seed=s, device="cuda", critic__lr=1e30 if s == 1 else 1e-3) for s in (0, 1, 2)))
    assert [r.status for r in results] == [layout.FINISHED, layout.DIVERGED, layout.FINISHED]


@pytest.mark.parametrize("task", ["CartPole-v1", "Pendulum-v1"])
def test_a_member_is_the_same_as_alone_but_for_rounding(task, configure, train):
    def agent(result):
        return checkpoints.load(result.folder / layout.CHECKPOINTS / layout.LATEST)["agent"]

    options = {"env__id": task, "device": "cuda", "normalize__obs": True, "total_steps": 64}
    together = train(*(configure(seed=seed, **options) for seed in (0, 1, 2)))
    for seed, result in enumerate(together):
        (alone,) = train(configure(seed=seed, **options))
        for group in ("actor", "critic"):
            expected = agent(alone)[group]["parameters"]
            torch.testing.assert_close(agent(result)[group]["parameters"], expected, rtol=1e-3, atol=1e-4)
