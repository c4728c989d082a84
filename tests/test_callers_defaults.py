"""What the caller's program has set in PyTorch (dtype, device, autocast) changes neither bits nor files of a run."""

import ast
import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from trained import train_configs
from variants import keeping

import rl_decay
from rl_decay import load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.schedules import linear
from rl_decay.schedules.lr_scheduler import NamedGroupSchedule

PACKAGE = Path(rl_decay.__file__).parent
NORMALIZED = {"normalize__obs": True, "normalize__reward": True, "evaluation__early": 1}
CASES = {
    "discrete": {"env__id": "tests/Corridor-v0", "algo__target_kl": 0.01, **NORMALIZED},
    "continuous": {
        "env__id": "tests/Push-v0",
        "algo__value_clip": 0.2,
        "schedule__clip__curve": "linear",
        **NORMALIZED,
    },
}
OBSERVATIONS = {"discrete": 4, "continuous": [0.5, -0.25, 0.0, 1.0, 2.0]}


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "another device": lambda: torch.device("meta"),  # its tensors hold nothing, so that any use of one fails
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "inference mode": torch.inference_mode,
}


@pytest.fixture
def everything(configure):
    """Train two members, evaluate and use the first one's policy, then make its run longer."""

    def run(case, folder):
        configs = [configure(**CASES[case], seed=seed) for seed in (0, 1)]
        results = train_configs(configs, [folder / "0", folder / "1"])
        policy = load_policy(folder / "0")
        returns = replay(policy, 2).returns.tolist()
        longer = replace(configs[0], total_steps=2 * configs[0].total_steps, horizon="keep", resume="auto")
        return train_configs([longer], [folder / "0"]) + results[1:], returns, np.asarray(policy(OBSERVATIONS[case]))

    return run


PLAIN = {}  # case -> what it leaves behind where nothing is set


@pytest.mark.parametrize("setting", keeping(["float64", "another device"], SETTINGS))
@pytest.mark.parametrize("case", keeping(["continuous"], {case: case for case in CASES}))
def test_a_population_its_policies_and_its_continuation_have_the_same_bits(
    case, setting, everything, differences, tmp_path_factory
):
    if case not in PLAIN:
        PLAIN[case] = everything(case, tmp_path_factory.mktemp("plain"))
    plain, returns, action = PLAIN[case]
    with setting():
        results, same_returns, same_action = everything(case, tmp_path_factory.mktemp("set"))
    for one, other in zip(plain, results, strict=True):
        assert differences(one, other) == []
    assert same_returns == returns
    assert same_action.dtype == action.dtype and same_action.tolist() == action.tolist()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_scheduler_writes_the_same_rates(setting):
    def rates(initial_lr):
        weight = torch.zeros(2, 3, dtype=torch.float32, device="cpu", requires_grad=True)
        rate = torch.tensor([0.1, 0.3], dtype=torch.float32, device="cpu")
        # A state that was loaded may hold a plain number beside the tensor.
        group = {"params": [weight], "name": "actor", "lr": rate, **initial_lr}
        scheduler = NamedGroupSchedule(torch.optim.SGD([group]), {"actor": linear()}, 3)
        scheduler.optimizer.step()
        scheduler.step()
        return rate.dtype, rate.device.type, rate.tolist()

    for initial_lr in ({}, {"initial_lr": 0.7}):
        plain = rates(initial_lr)
        with setting():
            assert rates(initial_lr) == plain


FACTORIES = {
    *("arange", "as_tensor", "asarray", "empty", "empty_strided", "eye", "full", "linspace", "logspace", "normal"),
    *("ones", "rand", "randint", "randn", "randperm", "scalar_tensor", "sparse_coo_tensor", "tensor", "zeros"),
}
OLD_FACTORIES = {"Tensor", "FloatTensor", "DoubleTensor", "LongTensor", "BoolTensor"}  # always of the default device


def creations(tree):
    """Calls that make a tensor out of nothing: (line, function, names of the arguments)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner, name = node.func.value, node.func.attr
            if isinstance(owner, ast.Name) and owner.id == "torch" and name in FACTORIES | OLD_FACTORIES:
                yield node.lineno, name, {keyword.arg for keyword in node.keywords}


def nameless(source):
    return [
        f"line {line}: torch.{name}"
        for line, name, arguments in creations(ast.parse(source))
        if name in OLD_FACTORIES or not {"dtype", "device"} <= arguments
    ]


def test_every_tensor_that_the_package_makes_names_its_dtype_and_device():
    found = {str(path.relative_to(PACKAGE)): nameless(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 50
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_a_tensor_without_them_would_be_found():
    assert nameless("x = torch.zeros(3, device=d)") == ["line 1: torch.zeros"]
    assert nameless("x = 1\ny = torch.full((2,), 0.0, dtype=t)") == ["line 2: torch.full"]
    assert nameless("x = torch.Tensor([1])") == ["line 1: torch.Tensor"]
    assert nameless("x = torch.zeros(3, dtype=t, device=d) + torch.zeros_like(y) + y.new_zeros(2)") == []
