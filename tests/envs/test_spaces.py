"""Observations and actions between a task's own spaces and flat arrays."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError
from rl_decay.types import Spaces

BOX = Box(-1.0, 1.0, (3,))
UNEVEN = Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))


def codec(obs=BOX, action=UNEVEN, rescale=False, squash="none"):
    return Codec("tests/Any-v0", obs, action, rescale=rescale, squash=squash)


def test_a_discrete_observation_is_one_hot():
    c = codec(obs=Discrete(4, start=3))
    assert c.spaces == Spaces(4, 2, continuous=True)
    found = c.encode(np.array([3, 6, 4]))
    assert found.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]
    assert found.dtype == np.float32


def test_many_discrete_observations_take_no_identity_matrix():
    c = codec(obs=Discrete(10**12, start=-5))  # its matrix would have 10^24 numbers
    assert c.spaces.obs_size == 10**12
    small = codec(obs=Discrete(100_000)).encode(np.array([99_999, 0]))
    assert small.shape == (2, 100_000) and small.sum() == 2
    assert small[0, 99_999] == small[1, 0] == 1


@pytest.mark.parametrize("number", [2, 7, -1])
def test_a_discrete_observation_outside_its_space_is_named(number):
    with pytest.raises(UserError, match=rf"tests/Any-v0: observation {number} is outside its space Discrete\(4"):
        codec(obs=Discrete(4, start=3)).encode(np.array([3, number]))


def test_a_box_observation_of_several_axes_is_flattened_row_by_row():
    c = codec(obs=Box(0, 255, (2, 2, 3), np.uint8))
    assert c.spaces.obs_size == 12
    batch = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    found = c.encode(batch)
    assert found.dtype == np.float32
    assert found.tolist() == [list(range(12)), list(range(12, 24))]


def test_a_box_without_axes():
    c = codec(obs=Box(-1.0, 1.0, ()), action=Box(-1.0, 1.0, ()))
    assert c.spaces == Spaces(1, 1, continuous=True)
    assert c.encode(np.array([0.5, -0.5])).tolist() == [[0.5], [-0.5]]
    assert c.decode(np.array([[0.25], [7.0]], np.float32)).tolist() == [0.25, 1.0]


@pytest.mark.parametrize("start", [0, 5, -3])
def test_discrete_actions_begin_at_the_spaces_own_start(start):
    c = codec(action=Discrete(3, start=start))
    assert c.spaces == Spaces(3, 3, continuous=False)
    found = c.decode(np.array([0, 1, 2]))
    assert found.tolist() == [start, start + 1, start + 2]
    assert all(a in c.action_space for a in found)


@pytest.mark.parametrize(
    ("space", "nvec"),
    [
        (MultiDiscrete([3, 2], start=[-1, 5]), (3, 2)),
        (MultiDiscrete([[3, 2, 4], [1, 6, 2]], dtype=np.uint8), (3, 2, 4, 1, 6, 2)),
        (MultiBinary(3), (2, 2, 2)),
        (MultiBinary((2, 3)), (2,) * 6),
    ],
)
def test_actions_of_several_components_get_the_spaces_own_shape_type_and_start(space, nvec):
    c = codec(action=space)
    assert c.spaces == Spaces(3, sum(nvec), continuous=False, nvec=nvec)
    actions = np.random.default_rng(0).integers(nvec, size=(200, len(nvec)))
    own = c.decode(actions)
    assert own.dtype == space.dtype and own.shape == (200, *space.shape)
    assert all(action in space for action in own)
    assert len(np.unique(own.reshape(200, -1), axis=0)) == min(len(np.unique(actions, axis=0)), 200)
    first = getattr(space, "start", np.zeros(space.shape))
    assert (c.decode(np.zeros((1, len(nvec)), np.int64))[0] == first).all()


def test_box_actions_are_clipped_and_the_policys_own_are_left_alone():
    actions = np.array([[-5.0, 3.0], [1.5, -0.1], [0.0, 11.0]], np.float32)
    before = actions.copy()
    assert codec().decode(actions).tolist() == [[-2.0, 3.0], [1.5, 0.0], [0.0, 10.0]]
    assert actions.tolist() == before.tolist()


def test_rescaling_maps_minus_one_to_one_onto_the_bounds():
    # -1, 0, 1 become low, middle, high; what lies outside is clipped first
    actions = np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0], [9.0, -9.0], [0.5, -0.5]], np.float32)
    expected = [[-2.0, 0.0], [0.0, 5.0], [2.0, 10.0], [2.0, 0.0], [1.0, 2.5]]
    assert codec(rescale=True).decode(actions).tolist() == expected


def test_squashing_bends_every_action_into_the_bounds():
    # The bounds are [-2, 2] and [0, 10], and tanh(0.5493061) = 0.5: low, middle, high, three quarters and a quarter.
    actions = np.array([[-40.0, -40.0], [0.0, 0.0], [40.0, 40.0], [0.5493061, -0.5493061], [1.0, 1.0]], np.float32)
    before = actions.copy()
    expected = [[-2.0, 0.0], [0.0, 5.0], [2.0, 10.0], [1.0, 2.5], [4 * 0.8807971 - 2, 8.807971]]
    np.testing.assert_allclose(codec(squash="tanh").decode(actions), expected, rtol=1e-6)
    assert actions.tolist() == before.tolist()  # the stored action is the one before tanh


@pytest.mark.parametrize("mapping", [{}, {"rescale": True}, {"squash": "tanh"}], ids=["clip", "rescale", "squash"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decoded_actions_are_members_of_the_space(mapping, dtype):
    space = Box(np.array([[-1.3, 0.1], [2.0, -7.0]], dtype), np.array([[1.7, 0.3], [2.5, 100.0]], dtype), dtype=dtype)
    c = codec(action=space, **mapping)
    assert c.spaces.num_actions == 4
    for action in c.decode(3 * np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)):
        assert action in space


def test_without_rescaling_bounds_may_be_infinite():
    space = Box(np.array([-np.inf, 0.0], np.float32), np.array([np.inf, np.inf], np.float32))
    assert codec(action=space).decode(np.array([[-1e9, -3.0]], np.float32)).tolist() == [[-1e9, 0.0]]


@pytest.mark.parametrize(
    ("spaces", "kind"),
    [
        ({"obs": Box(-1, 1, (0,))}, "observation"),
        ({"obs": Box(-1, 1, (3, 0))}, "observation"),
        ({"action": Box(-1, 1, (0,))}, "action"),
        ({"action": MultiDiscrete(np.zeros(0, np.int64))}, "action"),
    ],
)
def test_a_space_without_elements_is_refused(spaces, kind):
    with pytest.raises(UserError, match=rf"env.id=tests/Any-v0: {kind} space (Box|MultiDiscrete).* has no elements"):
        codec(**spaces)


@pytest.mark.parametrize(("bound", "dtype"), [(3e38, np.float32), (6e4, np.float16), (1e308, np.float64)])
def test_bounds_too_far_apart_to_be_mapped_onto_are_refused(bound, dtype):
    # high - low is infinite in the space's own type, and infinity times zero would reach the task as NaN
    far = Box(-bound, bound, (1,), dtype)
    with pytest.raises(UserError, match=r"env.rescale_actions=true: .* too far apart .* env.rescale_actions=false"):
        codec(action=far, rescale=True)
    with pytest.raises(UserError, match=r"net.squash=tanh: .* too far apart .* net.squash=none"):
        codec(action=far, squash="tanh")
    assert codec(action=far).decode(np.array([[0.5]], np.float32)).tolist() == [[0.5]]
    near = Box(-bound / 4, bound / 4, (1,), dtype)
    assert np.isfinite(codec(action=near, rescale=True).decode(np.array([[1.0], [-1.0]], np.float32))).all()


def test_observations_beyond_float32_are_infinite_and_no_warning():
    c = codec(obs=Box(-np.inf, np.inf, (2,), np.float64))
    assert c.encode(np.array([[1e39, -1e300]])).tolist() == [[np.inf, -np.inf]]
