"""An exported policy acts as load_policy does, for every kind of action and any number of rows."""

import io

import gymnasium as gym
import numpy as np
import onnxruntime
import pytest
import torch
from gymnasium.spaces import Box, MultiDiscrete
from trained import train_configs
from variants import keeping

import rl_decay
from rl_decay.export.formats import exported


class Reach(gym.Env):
    """Bounds of many kinds: one infinite, in the shape of a matrix, as float64."""

    def __init__(self, dtype="float64", bounded=False):
        low, high = np.array([[-0.01, -2.0], [0.0, 1.0]]), np.array([[0.01, 3.0], [0.005, np.inf]])
        if bounded:
            high[1, 1] = 8
        self.observation_space = Box(-1, 1, (2,), np.float32)
        self.action_space = Box(low.astype(dtype), high.astype(dtype), dtype=np.dtype(dtype).type)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample() * 0, {}

    def step(self, action):
        assert self.action_space.contains(np.asarray(action))
        return np.full(2, self.np_random.random(), np.float32), 1.0, self.np_random.random() < 0.1, False, {}


class Typed(Reach):
    """Actions of rarer shapes and types."""

    def __init__(self, kind):
        super().__init__()
        self.action_space = {
            "one number": Box(-0.01, 0.01, (), np.float32),
            "uint16": MultiDiscrete([3, 4], dtype=np.uint16, start=[2, 0]),
            "int32": MultiDiscrete([[3], [4]], dtype=np.int32, start=[[-2], [1]]),
        }[kind]


gym.register("tests/Typed-v0", Typed, disable_env_checker=True)
gym.register("tests/Reach-v0", Reach, disable_env_checker=True)
PANEL = {"env__id": "tests/Panel-v0"}
RUNS = {
    "discrete": {"env__id": "CartPole-v1", "net__activation": "relu", "net__hidden": [6, 7]},
    "discrete with a start": PANEL | {"normalize__obs": True},
    "MultiDiscrete": PANEL | {"env__kwargs": {"obs": "tuple", "action": "dials"}},
    "MultiDiscrete of many blocks": PANEL | {"env__kwargs": {"action": "knobs"}},
    "MultiBinary": PANEL | {"env__kwargs": {"obs": "target", "action": "matrix"}},
    "continuous": {"env__id": "Pendulum-v1"},
    "normalised": {"env__id": "tests/Push-v0", "env__kwargs": {"size": 3}, "normalize__obs": True},
    "rescaled": {"env__id": "Pendulum-v1", "env__rescale_actions": True, "normalize__obs": True},
    "float64 matrix": {"env__id": "tests/Reach-v0"},
    "squashed": {"env__id": "Pendulum-v1", "net__squash": "tanh", "normalize__obs": True},
    "one number": {"env__id": "tests/Typed-v0", "env__kwargs": {"kind": "one number"}},
    "uint16": {"env__id": "tests/Typed-v0", "env__kwargs": {"kind": "uint16"}},
    "int32": {"env__id": "tests/Typed-v0", "env__kwargs": {"kind": "int32"}},
    "float16 rescaled": {
        "env__id": "tests/Reach-v0",
        "env__kwargs": {"dtype": "float16", "bounded": True},
        "env__rescale_actions": True,
    },
}


COMMON = ("discrete", "MultiDiscrete", "squashed", "rescaled")


@pytest.fixture(params=keeping(COMMON, {name: name for name in RUNS}))
def policy(request, configure, tmp_path):
    (result,) = train_configs([configure(**RUNS[request.param], actor__lr=3e-2)], [tmp_path / "mine"])
    return rl_decay.load_policy(result.folder)


def observations(policy, rows):
    """Flat observations, some of them far from all that was seen."""
    rng = np.random.default_rng(rows)
    return rng.normal(scale=3, size=(rows, policy.codec.spaces.obs_size)).astype(np.float32)


def own_actions(policy, obs):
    """The actions of load_policy for flat observations."""
    return policy.codec.decode(policy.act(torch.from_numpy(obs)[None])[0].numpy())


def in_onnx(policy):
    session = onnxruntime.InferenceSession(exported(policy, "onnx"))
    return lambda obs: session.run(["actions"], {"obs": obs})[0]


def in_pt2(policy):
    program = torch.export.load(io.BytesIO(exported(policy, "pt2"))).module()
    return lambda obs: program(torch.from_numpy(obs)).numpy()


def test_actions_are_those_of_load_policy(policy):
    for act in (in_onnx(policy), in_pt2(policy)):
        for rows in (1, 7, 300):
            obs = observations(policy, rows)
            actions = act(obs)
            expected = own_actions(policy, obs)
            assert (actions.dtype, actions.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(actions.astype(float), expected.astype(float), rtol=1e-5, atol=1e-5)
        assert len(np.unique(expected, axis=0)) > 1


def test_a_tasks_own_observation_gives_the_policys_action(configure, tmp_path):
    (result,) = train_configs([configure(**PANEL, normalize__obs=True, actor__lr=3e-2)], [tmp_path / "mine"])
    policy = rl_decay.load_policy(result.folder)
    act = in_onnx(policy)
    space = policy.codec.obs_space
    space.seed(3)
    for _ in range(20):
        obs = space.sample()
        row = gym.spaces.flatten(space, obs).astype(np.float32)  # what a reader of the file does, without this package
        assert act(row[None])[0] == policy(obs)
