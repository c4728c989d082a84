"""One table names the back-ends; whatever follows the contract can stand in it."""

from typing import ClassVar

import numpy as np
import pytest

from rl_decay.config import memory
from rl_decay.config.schema import Config, Env, walk
from rl_decay.envs.backends import AUTO, BACK_ENDS, make_vec_env
from rl_decay.envs.contract import Step
from rl_decay.envs.examine import Task, examine
from rl_decay.evaluate.policy import load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.types import Spaces


class Counters:
    """Slots that count their steps in one array: two numbers seen, two actions, an episode of five steps."""

    made: ClassVar[list[int]] = []

    def __init__(self, env, slots, *, wrappers=(), squash="none"):
        self.spaces, self.time_limit = Spaces(obs_size=4, num_actions=2, continuous=False), 5
        self.steps = np.zeros(slots, int)
        self.made.append(slots)

    def reset(self, seeds):
        self.steps[:] = 0
        return self._obs()

    def step(self, actions, stepped=None):
        valid = self.steps < 5
        self.steps = np.where(valid, self.steps + 1, 0)
        over = valid & (self.steps == 5)
        return Step(self._obs(), np.where(valid, actions, 0.0), np.zeros(len(over), bool), over, valid)

    def take_faults(self):
        return {}

    def close(self):
        pass

    def _obs(self):
        return np.repeat(self.steps[:, None], 4, axis=1).astype(np.float32)


def test_the_key_vec_chooses_among_exactly_these_back_ends():
    choices = {key: about["choices"] for key, _, about in walk(Config())}["vec"]
    assert {AUTO, *BACK_ENDS} == set(choices) == set(memory.BYTES_PER_COPY)


@pytest.mark.parametrize("vec", BACK_ENDS)
def test_every_back_end_makes_as_many_slots_as_were_asked_for(vec):
    envs = make_vec_env(Env(id="CartPole-v1"), 3, vec)
    try:
        assert envs.reset([1, 2, 3]).shape == (3, 4) and envs.time_limit == 500
    finally:
        envs.close()


def test_a_line_in_the_table_is_enough_for_a_back_end_to_be_examined_trained_and_replayed(
    monkeypatch, configure, train
):
    monkeypatch.setitem(BACK_ENDS, "sync", Counters)
    monkeypatch.setattr(Counters, "made", [])
    config = configure(env__id="CartPole-v1", vec="sync")
    assert examine(config.env, config.vec) == Task(Spaces(4, 2, False))
    (run,) = train(config)
    result = replay(load_policy(run.folder), episodes=3)
    assert (result.lengths == 5).all() and not result.cut.any()
    train_slots, evaluation_slots = config.env.num_envs, config.evaluation.episodes
    assert Counters.made == [2, 2, train_slots, evaluation_slots, 2, 3]  # 2 for each examination
