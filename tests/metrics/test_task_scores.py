"""Score constants: the two anchors of each task, unknown tasks, and Gymnasium's own thresholds."""

import gymnasium
import numpy as np
import pytest

from rl_decay.metrics import TASKS, score, unit
from rl_decay.metrics.tasks import KEEP_RETURNS, scored_task

# Tasks whose reference is not the threshold: it is below the ceiling, or there is none.
OTHER_REFERENCES = {"CartPole-v1", "Pendulum-v1", "Walker2d-v5", "Humanoid-v5"}


@pytest.mark.parametrize("env_id", TASKS)
def test_anchors(env_id):
    task = TASKS[env_id]
    assert task.random < task.reference
    np.testing.assert_allclose(score(env_id, [task.random, task.reference]), [0, 1])
    assert unit(env_id) == "score"


@pytest.mark.parametrize(
    "env_id", sorted(task for task in TASKS.keys() - OTHER_REFERENCES if "dm_control/" not in task)
)
def test_thresholds_are_those_of_gymnasium(env_id):
    assert TASKS[env_id].reference == gymnasium.spec(env_id).reward_threshold


def test_by_hand():
    assert score("CartPole-v1", 261.485) == pytest.approx(0.5)  # halfway between 22.97 and 500
    assert score("MountainCar-v0", -101) == pytest.approx(1.1)


def test_module_prefix_is_ignored():
    assert unit("my_package.envs:CartPole-v1") == "score"
    assert score("my_package.envs:CartPole-v1", 500) == 1


def test_tasks_without_constants_keep_their_returns():
    assert unit("my_package:Mine-v0") == "return"
    np.testing.assert_array_equal(score("my_package:Mine-v0", [[-3, 7.5]]), [[-3, 7.5]])
    assert unit("CartPole-v0") == "return"


@pytest.mark.parametrize("path", sorted(KEEP_RETURNS))
def test_wrappers_that_leave_returns_alone_are_gymnasiums_and_touch_no_reward(path):
    wrapper = getattr(gymnasium.wrappers, path.removeprefix("gymnasium.wrappers."))
    assert issubclass(wrapper, gymnasium.Wrapper) and not issubclass(wrapper, gymnasium.RewardWrapper)
    assert scored_task("CartPole-v1", {}, [path, path]) == "CartPole-v1"


@pytest.mark.parametrize("path", ["gymnasium.wrappers.ClipReward", "gymnasium.wrappers.RepeatAction", "my.Flat", ""])
def test_a_score_is_for_the_task_as_it_was_registered(path):
    assert scored_task("CartPole-v1", {}, ["gymnasium.wrappers.ClipAction", path]) == ""
    assert scored_task("CartPole-v1", {"sutton_barto_reward": True}) == ""
