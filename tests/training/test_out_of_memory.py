"""A lack of memory while a run trains: one line, whoever noticed it, alone and in a population."""

import errno

import numpy as np
import pytest
import torch

from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.runs.summary import read_summary
from rl_decay.training import out_of_memory

BEYOND = 2**62


def lack_numpy():
    np.empty(BEYOND, np.int8)


def lack_torch():
    torch.empty(BEYOND, dtype=torch.int8)


def lack_python():
    bytearray(BEYOND)


def lack_cuda():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def lack_system():
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


LACKS = [lack_numpy, lack_torch, lack_python, lack_cuda, lack_system]


@pytest.mark.parametrize("lack", LACKS)
def test_every_kind_is_one_line_with_the_way_out(lack):
    with pytest.raises(UserError) as error, out_of_memory.explained():
        lack()
    message = str(error.value)
    assert message.startswith("out of memory: ") and "fewer members" in message and "\n" not in message
    assert "alloc_cpu.cpp" not in message


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OSError(errno.ENOSPC, "No space left"), KeyError(1)])
def test_other_errors_stay_themselves(error):
    with pytest.raises(type(error)) as raised, out_of_memory.explained():
        raise error
    assert raised.value is error


def test_the_runs_say_so_and_keep_what_they_have(configure, train, monkeypatch, tmp_path):
    update = PPO.update

    def late(self, *arguments):
        late.calls += 1
        return lack_torch() if late.calls == 3 else update(self, *arguments)

    late.calls = 0
    monkeypatch.setattr(PPO, "update", late)
    with pytest.raises(UserError, match="out of memory"):
        train(configure(seed=1), configure(seed=2))
    for folder in tmp_path.glob("run*"):
        summary = read_summary(folder)
        assert (summary["status"], summary["iterations"]) == ("failed", 2)
        assert summary["reason"].startswith("out of memory: ")
