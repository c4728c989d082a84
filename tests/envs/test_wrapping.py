"""env.wrappers: put around each copy in order, made anew with every seeded reset, refused by name."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import odd_wrappers
import pytest
from gymnasium.spaces import Box

from rl_decay.config.schema import Env
from rl_decay.envs.examine import codec_of, examine
from rl_decay.envs.generators import preserved_generators
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import make_env
from rl_decay.errors import UserError

EVERY_VEC = pytest.mark.parametrize("vec", ["sync", "async"])
TIME = "gymnasium.wrappers.TimeAwareObservation"
STACK = {"wrapper": "gymnasium.wrappers.FrameStackObservation", "stack_size": 4}
COUNTING = "odd_wrappers.Counting"


def wrapped(*wrappers, id="tests/Push-v0", **kwargs):
    return Env(id=id, kwargs=kwargs, wrappers=list(wrappers))


def names(env):
    found = []
    while isinstance(env, gym.Wrapper):
        found.append(type(env).__name__)
        env = env.env
    return found


def test_the_last_is_the_outermost():
    with closing(make_env(wrapped(TIME, STACK, id="CartPole-v1"))) as copy:
        assert names(copy)[:3] == ["FrameStackObservation", "TimeAwareObservation", "TimeLimit"]
        assert copy.observation_space.shape == (4, 5)


@EVERY_VEC
def test_slots_see_what_the_wrapped_task_shows(vec):
    env = wrapped(TIME, STACK, id="CartPole-v1")
    with closing(GymnasiumVec(env, 2, vec)) as envs, closing(make_env(env)) as copy:
        assert envs.spaces.obs_size == 20 and envs.time_limit == 500
        obs = [envs.reset([7, 8])[0]] + [envs.step(np.array([t % 2, 0])).obs[0] for t in range(5)]
        expected = [copy.reset(seed=7)[0]] + [copy.step(t % 2)[0] for t in range(5)]
    np.testing.assert_array_equal(obs, np.array(expected, np.float32).reshape(6, 20))


@EVERY_VEC
@pytest.mark.parametrize("wrapper", [COUNTING, "odd_wrappers.Lengthening"])
def test_no_state_of_a_wrapper_outlives_a_seeded_reset(vec, wrapper):
    """Neither a counter of its own, nor what it changed in the task inside it."""

    def played(envs):
        rows = [envs.reset([1, 2])]
        for _ in range(30):  # over two episodes
            step = envs.step(np.zeros((2, 1), np.float32))
            rows += [step.obs, step.truncated[:, None]]
        return np.concatenate(rows, axis=1).tobytes()

    with closing(GymnasiumVec(wrapped(wrapper), 2, vec)) as envs:
        first, second = played(envs), played(envs)
    assert first == second


def test_within_a_segment_a_wrapper_keeps_its_state_over_episodes():
    with closing(GymnasiumVec(wrapped(COUNTING, length=3), 1)) as envs, closing(make_env(wrapped(length=3))) as bare:
        envs.reset([1])
        steps = [envs.step(np.zeros((1, 1), np.float32)) for _ in range(6)]
        bare.reset(seed=1)
        for _ in range(3):
            bare.step(np.zeros(1, np.float32))
        obs = bare.reset()[0]
    np.testing.assert_allclose(steps[3].obs[0], obs + 0.01 * 5, rtol=1e-5)  # two resets and three steps


def test_the_examination_finds_the_counter_repeatable():
    task = examine(wrapped(COUNTING), "sync")
    assert task.notes == () and task.spaces.obs_size == 5


@EVERY_VEC
def test_what_a_wrapper_draws_when_it_is_made_follows_from_the_reset_seed(vec):
    env = wrapped("odd_wrappers.Drawing")
    task = examine(env, vec)
    assert [label for label, _ in task.notes] == ["global generator"]
    with preserved_generators(), closing(GymnasiumVec(env, 2, vec, task.wrappers)) as envs:
        first, second = envs.reset([1, 2]), envs.reset([2, 1])
    np.testing.assert_array_equal(first, second[::-1])


def test_without_wrappers_no_copy_is_made_anew(push):
    with closing(GymnasiumVec(wrapped(), 1, "sync")) as envs:
        (before,) = envs.attribute("unwrapped")
        for _ in range(2):
            envs.reset([1])
        (after,) = envs.attribute("unwrapped")
    assert before is after


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("no_such_module.Wrapper", "no module no_such_module is installed"),
        ("gymnasium.wrapper.FrameStack", r"no module gymnasium.wrapper .*did you mean gymnasium.wrappers.FrameStackO"),
        ("gymnasium.wrappers.TimeAwareObs", r"has no TimeAwareObs; did you mean gymnasium.wrappers.TimeAwareO"),
        ("gymnasium.wrappers.FrameStack", "has no FrameStack; did you mean gymnasium.wrappers.FrameStackObservation?"),
        ("odd_wrappers.Qqqq", "the module odd_wrappers has no Qqqq$"),
        ("odd_wrappers.function", "is no class, but must be a subclass of gymnasium.Wrapper"),
        ("odd_wrappers.NoWrapper", "it must be a subclass of gymnasium.Wrapper"),
        ("odd_wrappers.Unasked", "it must be a subclass of gymnasium.Wrapper"),
        ("os.system", "is no class"),
        ("gymnasium.wrappers.vector.ClipAction", "it wraps whole vector environments, but must be a subclass"),
        ("gymnasium.wrappers.NormalizeObservation", "remove it from env.wrappers; normalize.obs=true does it"),
        ("gymnasium.wrappers.NormalizeReward", "remove it from env.wrappers; normalize.reward=true does it"),
        ("gymnasium.wrappers.vector.NormalizeObservation", "normalize.obs=true does it"),
        ("gymnasium.wrappers.vector.NormalizeReward", "normalize.reward=true does it"),
        ("gymnasium.wrappers.stateful_observation.NormalizeObservation", "normalize.obs=true does it"),
        ("odd_wrappers.OwnNormaliser", "normalize.obs=true does it"),
        ("gymnasium.wrappers.TimeLimit", "env.kwargs.max_episode_steps sets the time limit"),
        ("odd_wrappers.OwnLimit", "env.kwargs.max_episode_steps sets the time limit"),
        ("odd_wrappers.Failing", r"cannot be put around the task: RuntimeError: no fuel \(line \d+ of odd_wrappers.py"),
        ("odd_wrappers.Exiting", r"cannot be put around the task: SystemExit: 3"),
        ("odd_wrappers.Bare", "cannot be put around the task: AttributeError"),
        ({"wrapper": COUNTING, "colour": "red"}, "cannot be put around the task: TypeError: .*colour"),
        ("gymnasium.wrappers.FrameStackObservation", "cannot be put around the task: TypeError: .*stack_size"),
        (TIME, "cannot be put around the task: ValueError: The environment must be wrapped by a TimeLimit"),
    ],
)
@pytest.mark.parametrize("make", [make_env, codec_of, examine, lambda env: GymnasiumVec(env, 1, "async")])
def test_what_cannot_be_a_wrapper_is_named_with_its_item(item, words, make):
    path = item["wrapper"] if isinstance(item, dict) else item
    with pytest.raises(UserError, match=rf"^env\.wrappers\[1\]={path}: .*{words}") as raised:
        make(wrapped(COUNTING, item))
    assert "\n" not in str(raised.value)
    assert odd_wrappers.MADE == []


@pytest.mark.parametrize(
    ("wrappers", "place"),
    [
        (["odd_wrappers.Nested"], r"env\.wrappers\[0\]=odd_wrappers.Nested"),
        ([COUNTING, "odd_wrappers.WholeActions", COUNTING], r"env\.wrappers\[1\]=odd_wrappers.WholeActions"),
    ],
)
def test_spaces_that_cannot_be_trained_on_are_said_of_the_wrapper_that_made_them(wrappers, place):
    with pytest.raises(UserError, match=rf"^{place}: its spaces cannot be trained on; env.id=tests/Push-v0: \w+ space"):
        codec_of(wrapped(*wrappers))


def test_a_task_with_such_spaces_is_named_itself():
    with pytest.raises(UserError, match=r"^env\.id=tests/Spoken-v0: observation space"):
        codec_of(wrapped("gymnasium.wrappers.RecordEpisodeStatistics", id="tests/Spoken-v0"))


def test_a_later_wrapper_may_make_spaces_usable_again():
    assert codec_of(wrapped("odd_wrappers.Nested", "odd_wrappers.Unnested")).obs_space == Box(-np.inf, np.inf, (5,))


@EVERY_VEC
def test_a_wrapper_that_breaks_in_a_step_is_told_with_its_line(vec):
    with closing(GymnasiumVec(wrapped("odd_wrappers.Breaking"), 2, vec)) as envs:
        envs.reset([1, 2])
        with pytest.raises(UserError, match=r"its step failed with ValueError: the wrapper broke \(line \d+ of odd_w"):
            envs.raw_step(np.zeros((2, 1), np.float32))
