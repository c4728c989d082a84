"""Gymnasium behind the contract: next-step resets, one future per reset seed, sync and async alike."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest

from rl_decay.config.schema import Env
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.envs.making import make_env, time_limit

TASKS = {
    "cartpole": Env(id="CartPole-v1"),
    "pendulum": Env(id="Pendulum-v1"),
    "frozen lake": Env(id="FrozenLake-v1"),
    "corridor": Env(id="tests/Corridor-v0"),
    "push": Env(id="tests/Push-v0", kwargs={"size": 2}),
}
EVERY_TASK = pytest.mark.parametrize("env", TASKS.values(), ids=list(TASKS))


def actions(spaces, steps, slots, seed=0):
    rng = np.random.default_rng(seed)
    if spaces.continuous:
        return rng.normal(size=(steps, slots, spaces.num_actions)).astype(np.float32)
    return rng.integers(spaces.num_actions, size=(steps, slots))


def played(env, seeds, steps, vec="sync", order=None):
    """First observations, and the stacked fields [T, S, ...] of all steps; slot s takes the actions of order[s]."""
    with closing(GymnasiumVec(env, len(seeds), vec)) as envs:
        first = envs.reset(seeds)
        taken = actions(envs.spaces, steps, len(seeds))[:, order if order is not None else slice(None)]
        rows = [envs.step(a) for a in taken]
    return first, [np.stack(field) for field in zip(*rows)]


@EVERY_TASK
def test_rows_after_an_end_are_fillers(env):
    first, (obs, rewards, terminated, truncated, valid) = played(env, [1, 2, 3], 450)
    done = terminated | truncated
    assert done.any()
    assert valid[0].all()  # the first row after a reset is real
    assert (valid[1:] == ~done[:-1]).all()
    assert (rewards[~valid] == 0).all()
    assert not done[~valid].any()
    assert first.dtype == obs.dtype == np.float32
    assert rewards.dtype == np.float64
    assert terminated.dtype == truncated.dtype == valid.dtype == bool


@EVERY_TASK
def test_a_slot_is_the_plain_environment_and_a_done_row_holds_the_final_observation(env):
    first, (obs, rewards, terminated, truncated, valid) = played(env, [11, 12], 250)
    envs = GymnasiumVec(env, 1)
    codec = envs.codec
    envs.close()
    taken = actions(codec.spaces, 250, 2)
    for slot, seed in enumerate((11, 12)):
        plain = gym.make(env.id, **env.kwargs)
        seen, _ = plain.reset(seed=seed)
        np.testing.assert_array_equal(first[slot], codec.encode(np.array([seen]))[0])
        for t in range(250):
            if valid[t, slot]:
                seen, reward, *ends, _ = plain.step(codec.decode(taken[t, slot : slot + 1])[0])
                assert (rewards[t, slot], terminated[t, slot], truncated[t, slot]) == (reward, *ends)
            else:
                seen, _ = plain.reset()
            np.testing.assert_array_equal(obs[t, slot], codec.encode(np.array([seen]))[0])
        plain.close()


@pytest.mark.parametrize("name", ["cartpole", "corridor", "push"])
def test_async_is_sync(name):
    sync, asynchronous = (played(TASKS[name], [5, 6], 220, vec) for vec in ("sync", "async"))
    assert (~sync[1][-1]).sum() > 5  # fillers
    np.testing.assert_array_equal(sync[0], asynchronous[0])
    for a, b in zip(sync[1], asynchronous[1]):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@EVERY_TASK
def test_a_slots_future_is_a_function_of_its_own_seed(env):
    seeds, order = [21, 22, 23, 24], [2, 0, 3, 1]
    straight = played(env, seeds, 230)
    shuffled = played(env, [seeds[i] for i in order], 230, order=order)
    np.testing.assert_array_equal(shuffled[0], straight[0][order])
    for a, b in zip(shuffled[1], straight[1]):
        np.testing.assert_array_equal(a, b[:, order])


@EVERY_TASK
def test_a_reset_with_the_same_seeds_starts_the_same_future_again(env):
    with closing(GymnasiumVec(env, 3)) as envs:
        taken = actions(envs.spaces, 60, 3)
        futures = [
            [envs.reset([1, 2, 3])] + [np.concatenate(envs.step(a), None) for a in taken[:steps]]
            for steps in (60, 37, 60)  # cut episodes in between, some of them in their last row
        ]
    for again in futures[1:]:
        for a, b in zip(futures[0], again):
            np.testing.assert_array_equal(a, b)


def test_a_reset_right_after_an_end_leaves_no_filler():
    with closing(GymnasiumVec(TASKS["corridor"], 1)) as envs:
        envs.reset([0])
        forward = np.array([1])
        while not (step := envs.step(forward)).terminated[0]:
            pass
        assert step.obs[0].argmax() == 3
        envs.reset([0])
        assert envs.step(forward).valid.tolist() == [True]


def test_time_limits():
    for name, limit in {"cartpole": 500, "pendulum": 200, "frozen lake": 100, "push": None}.items():
        with closing(GymnasiumVec(TASKS[name], 1)) as envs:
            assert envs.time_limit == limit


@pytest.mark.parametrize("given, limit", [(None, 200), (7, 7), (-1, None), (10**6, 10**6)])
def test_a_time_limit_of_the_persons_own_means_what_gymnasium_means(given, limit):
    env = Env(id="Pendulum-v1", kwargs={"max_episode_steps": given})
    with closing(GymnasiumVec(env, 1)) as envs, closing(make_env(env)) as copy:
        assert envs.time_limit == time_limit(env, copy.spec) == limit
        envs.reset([0])
        ends = [bool(envs.step(np.zeros((1, 1), np.float32)).truncated[0]) for _ in range(201)]
    assert ends.index(True) + 1 == limit if limit and limit <= 200 else not any(ends)
