"""load_policy: the actions of the agent that was trained, for one observation or many."""

import random
from typing import ClassVar

import gymnasium as gym
import numpy as np
import panel
import pytest
import torch
from gymnasium.spaces import Box, Dict, MultiDiscrete, Tuple
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from toy_tasks import Push
from trained import train_configs

import rl_decay
from rl_decay.errors import UserError
from rl_decay.evaluate.replay import replay
from rl_decay.ppo.agent import PPO
from rl_decay.runs.summary import write_summary
from rl_decay.training import population
from rl_decay.training.checkpoints import Checkpoint

LOW = np.array([-3.0, 0.0], np.float32)
HIGH = np.array([1.0, 10.0], np.float32)


class Recorded(Push):
    """Two forces with uneven bounds; every observation and the action that it was answered with are remembered."""

    steps: ClassVar[list[tuple[np.ndarray, np.ndarray]]] = []

    def __init__(self):
        super().__init__(size=2)
        self.action_space = Box(LOW, HIGH)

    def step(self, action):
        Recorded.steps.append((self.x.astype(np.float32), action.copy()))
        return super().step(action)


gym.register("tests/Recorded-v0", Recorded, disable_env_checker=True)
RUNS = {
    "discrete": {"env__id": "CartPole-v1"},
    "continuous": {"env__id": "Pendulum-v1"},
    "squashed": {"env__id": "tests/Recorded-v0", "net__squash": "tanh", "normalize__obs": True},
    "rescaled": {"env__id": "Pendulum-v1", "env__rescale_actions": True},
    "normalised": {"env__id": "tests/Push-v0", "env__kwargs": {"size": 3}, "normalize__obs": True},
    "counted": {"env__id": "tests/Corridor-v0"},
    "parts": {"env__id": "tests/Panel-v0", "normalize__obs": True},
    "components": {"env__id": "tests/Panel-v0", "env__kwargs": {"obs": "tuple", "action": "dials"}},
    "switches": {"env__id": "tests/Panel-v0", "env__kwargs": {"obs": "target", "action": "matrix"}},
}


@pytest.fixture(params=RUNS)
def trained(request, configure, tmp_path, monkeypatch):
    """The agent at the end of a run, and the policy loaded from what it left behind."""
    agents = []
    monkeypatch.setattr(population, "PPO", lambda *parts: agents.append(PPO(*parts)) or agents[-1])
    values = RUNS[request.param] | {"total_steps": 128, "actor__lr": 1e-2}
    (result,) = train_configs([configure(**values)], [tmp_path / "mine"])
    return agents[0], rl_decay.load_policy(result.folder)


def some(space, count):
    """A batch of so many observations, as a vector environment gives them."""
    rng = np.random.default_rng(5)
    if isinstance(space, (Dict, Tuple, MultiDiscrete)):
        space.seed(5)
        return concatenate(space, [space.sample() for _ in range(count)], create_empty_array(space, count))
    if space.shape == ():
        return rng.integers(space.start, space.start + space.n, count)
    return rng.normal(size=(count, *space.shape)).astype(np.float32)


def test_actions_are_those_of_the_agent(trained):
    agent, policy = trained
    obs = some(policy.codec.obs_space, 32)
    flat = torch.from_numpy(policy.codec.encode(obs))
    padded = torch.nn.functional.pad(flat, (0, agent.networks.shape.widths[0] - flat.shape[-1]))
    expected = policy.codec.decode(agent.act(padded.unsqueeze(0), None)[0].numpy())
    actions = policy(obs)
    assert actions.dtype == expected.dtype and (actions == expected).all()
    if np.ndim(obs) > 1 or isinstance(obs, dict):  # in the corridor one direction may be the best everywhere
        assert len(np.unique(actions, axis=0)) > 1
    assert all(policy.codec.action_space.contains(action) for action in actions)


def test_one_observation_gives_one_action(trained):
    _, policy = trained
    obs = some(policy.codec.obs_space, 6)
    actions = policy(obs)
    assert actions.shape == (6, *policy.codec.action_space.shape)
    for one, action in zip(iterate(batch_space(policy.codec.obs_space, 6), obs), actions):
        alone = policy(one)
        assert np.shape(alone) == policy.codec.action_space.shape
        np.testing.assert_allclose(alone, action, rtol=1e-5, atol=1e-6)
        assert policy.codec.action_space.contains(alone)


def test_the_task_gets_the_squashed_actions_in_training_and_replay_and_from_the_policy(configure, tmp_path):
    Recorded.steps.clear()
    saving = {"segments": 1, "checkpoint__every": 3, "checkpoint__keep": 2}
    (result,) = train_configs([configure(**RUNS["squashed"], **saving)], [tmp_path / "mine"])
    policy = rl_decay.load_policy(result.folder)
    inside = min((result.folder / "checkpoints").glob("*[0-9].pt"))  # of iteration 3 of 4, within the only segment
    saved = Checkpoint.load(inside)
    stored = saved.actions.flatten(0, 1).numpy()
    assert (np.abs(stored) > 1).any()  # before tanh
    trained_with = policy.codec.decode(stored)
    received = {action.tobytes() for _, action in Recorded.steps}
    share = np.mean([action.tobytes() in received for action in trained_with])
    assert 0.5 < share < 1  # all but those of filler rows, which reach no task

    Recorded.steps.clear()
    again = replay(policy)
    assert again.returns.mean() == pytest.approx(result.final_return, rel=1e-6)
    played = Recorded.steps[-again.lengths.sum() :]  # without the examination's
    obs = np.stack([before for before, _ in played])
    actions = np.stack([action for _, action in played])
    assert (actions > LOW).all() and (actions < HIGH).all() and np.ptp(actions) > 0
    np.testing.assert_allclose(policy(obs), actions, rtol=1e-5, atol=1e-6)
    mean = policy.act(torch.from_numpy(obs).unsqueeze(0)).squeeze(0).numpy()
    by_hand = LOW + (np.tanh(mean) + 1) / 2 * (HIGH - LOW)
    np.testing.assert_allclose(actions, by_hand, rtol=1e-5, atol=1e-6)


def test_another_shape_is_refused(trained):
    _, policy = trained
    shape = policy.codec.obs_space.shape
    if shape is None:  # a Dict or a Tuple: tests/envs/test_observations.py has more of them
        with pytest.raises(ValueError, match="part"):
            policy(np.zeros(3))
        return
    for wrong in ((*shape, 2), (3, *shape, 2), (2, 2, *shape)):
        if wrong != (2, *shape):  # which is a batch of two
            with pytest.raises(ValueError, match="shape"):
                policy(np.zeros(wrong))


def test_normalisation_is_part_of_the_policy(configure, tmp_path):
    config = configure(**RUNS["normalised"])
    (result,) = train_configs([config], [tmp_path / "mine"])
    policy = rl_decay.load_policy(result.folder)
    obs = some(policy.codec.obs_space, 4)
    before = policy(obs)
    policy(100 * obs)  # acting changes no statistics
    assert (policy(obs) == before).all()
    policy._moments = None
    assert (policy(obs) != before).any()


def test_a_task_whose_components_were_divided_anew_is_refused(configure, tmp_path, monkeypatch):
    (result,) = train_configs([configure(**RUNS["components"])], [tmp_path / "mine"])
    monkeypatch.setitem(panel.ACTIONS, "dials", MultiDiscrete([5, 3]))  # 8 options again, so that all shapes fit
    with pytest.raises(
        UserError, match=r"does not fit tests/Panel-v0 \(its actions have components of \[3, 5\] options"
    ):
        rl_decay.load_policy(result.folder)


def test_a_list_of_numbers_will_do(configure, tmp_path):
    (result,) = train_configs([configure()], [tmp_path / "mine"])
    policy = rl_decay.load_policy(str(result.folder), "best")
    assert policy([0.0, 0.0, 0.0, 0.0]) in (0, 1)
    assert policy.config["env.id"] == "CartPole-v1"


def test_what_is_not_there_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        rl_decay.load_policy(tmp_path / "none")
    write_summary(tmp_path, {"status": "failed"})
    for name in ("latest", str(tmp_path / "none.pt")):
        with pytest.raises(UserError, match="no such checkpoint"):
            rl_decay.load_policy(tmp_path, name)


class Drawing(gym.Env):
    """A task whose constructor seeds the global generators."""

    observation_space, action_space = Box(-1, 1, (1,)), Box(-1, 1, (1,))

    def __init__(self):
        np.random.seed(1)
        random.seed(1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, True, False, {}


def test_the_callers_global_generators_stay_as_they_are(configure, tmp_path):
    gym.register("tests/Drawing-v0", Drawing, disable_env_checker=True)
    rl_decay.train(configure(env__id="tests/Drawing-v0", total_steps=64), tmp_path / "run")
    np.random.seed(0)
    random.seed(0)
    expected = np.random.random(), random.random()
    np.random.seed(0)
    random.seed(0)
    rl_decay.load_policy(tmp_path / "run")
    assert (np.random.random(), random.random()) == expected
