"""What an exported file says about its observations and actions, alike in both formats."""

import io
import json

import gymnasium as gym
import numpy as np
import onnx
import pytest
import torch
from gymnasium.spaces import Box
from trained import train_configs

import rl_decay
from rl_decay.errors import UserError
from rl_decay.export.formats import exported
from rl_decay.export.metadata import metadata


@pytest.fixture
def policy_of(configure, tmp_path):
    """The policy of a small run with these keys."""

    def trained(**values):
        (result,) = train_configs([configure(**values)], [tmp_path / "mine"])
        return rl_decay.load_policy(result.folder)

    return trained


def test_both_formats_hold_the_same_texts(policy_of):
    policy = policy_of(env__id="tests/Panel-v0", env__kwargs={"action": "dials"}, normalize__obs=True)
    texts = metadata(policy)
    model = onnx.load_model_from_string(exported(policy, "onnx"))
    assert {entry.key: entry.value for entry in model.metadata_props} == texts
    extra_files = dict.fromkeys(texts, "")
    torch.export.load(io.BytesIO(exported(policy, "pt2")), extra_files=extra_files)
    assert extra_files == texts


def test_parts_stand_in_the_order_of_their_columns(policy_of):
    policy = policy_of(env__id="tests/Panel-v0", env__kwargs={"action": "dials"}, normalize__obs=True)
    texts = metadata(policy)
    columns = [(part["path"], part["start"], part["size"]) for part in json.loads(texts["observation"])]
    # Dict keys are sorted: gauge, lamps, target; a MultiDiscrete target of 3 and 5 values is one-hot
    assert columns == [(["gauge", 0], 0, 2), (["gauge", 1], 2, 3), (["lamps"], 5, 2), (["target"], 7, 8)]
    action = json.loads(texts["action"])
    assert action == {"kind": "MultiDiscrete", "shape": [2], "dtype": "int64", "low": [1, -2], "high": [3, 2]}
    assert (texts["env_id"], texts["iteration"]) == ("tests/Panel-v0", "4")
    assert json.loads(texts["env_kwargs"]) == {"action": "dials"}
    assert json.loads(texts["normalised"]) and not json.loads(texts["rescale_actions"])
    assert texts["fingerprint"] == policy.fingerprint and len(policy.fingerprint) > 8
    assert json.loads(texts["versions"])["torch"] == torch.__version__


class Odd(gym.Env):
    """Actions without an upper bound, of any type."""

    observation_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, dtype="float32"):
        self.action_space = Box(-1, np.inf, (2,), np.dtype(dtype).type)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, True, False, {}


gym.register("tests/OddParts-v0", Odd, disable_env_checker=True)


def test_an_infinite_bound_is_null(policy_of):
    action = json.loads(metadata(policy_of(env__id="tests/OddParts-v0"))["action"])
    assert (action["low"], action["high"]) == ([-1.0, -1.0], [None, None])


def test_numbers_that_pytorch_does_not_have_are_refused(policy_of):
    if np.dtype(np.longdouble) == np.float64:
        return  # a platform without longer numbers
    policy = policy_of(env__id="tests/OddParts-v0", env__kwargs={"dtype": "longdouble"})
    with pytest.raises(UserError, match="actions of type float128 cannot be exported"):
        exported(policy, "pt2")
