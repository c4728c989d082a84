"""torch.compile of the update: another order of rounding, the same learning."""

import shutil
import sysconfig
from pathlib import Path

import pytest
import torch

from rl_decay.runs import layout
from rl_decay.training import checkpoints

TOOLS = any(map(shutil.which, ("g++", "c++", "clang++"))) and Path(sysconfig.get_path("include"), "Python.h").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, while it imports inductor
@pytest.mark.skipif(not TOOLS, reason="inductor needs a C++ compiler and Python's headers")
@pytest.mark.slow  # compiling takes half a minute where nothing is cached
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "tests/Panel-v0"])
def test_compiled_and_eager_agree(env_id, configure, train):
    def learned(compile, iterations):
        options = {"env__id": env_id, "normalize__obs": True, "total_steps": 64 * iterations}
        if "Panel" in env_id:
            options["env__kwargs"] = {"action": "dials"}
        (result,) = train(configure(compile=compile, **options))
        assert result.status == layout.FINISHED
        return checkpoints.load(result.folder / layout.CHECKPOINTS / layout.LATEST)["agent"]

    eager, compiled = learned("none", 1), learned("inductor", 1)
    for group in ("actor", "critic"):
        torch.testing.assert_close(compiled[group]["parameters"], eager[group]["parameters"], rtol=1e-3, atol=1e-5)
    learned("inductor", 2)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "tests/Panel-v0"])
def test_the_loss_can_be_traced_whole(env_id, configure, train, monkeypatch):
    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: original(f, **options, backend="eager"))
    kwargs = {"action": "dials"} if "Panel" in env_id else {}
    (result,) = train(configure(compile="inductor", env__id=env_id, env__kwargs=kwargs, total_steps=64))
    assert result.status == layout.FINISHED
