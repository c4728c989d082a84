"""The geometry of update paths at its edges; paths with known answers are in test_metric_cases.py."""

import numpy as np
import pytest
import update_paths


def test_standing_still_has_no_direction():
    theta = [[0.0, 0], [1, 0], [1, 0], [0, 0], [1, 0]]  # updates +x, 0, -x, +x
    np.testing.assert_array_equal(update_paths.update_cosines(theta), [np.nan, np.nan, -1])
    assert update_paths.negative_cosine_share(theta) == 1  # of the one that is defined
    assert update_paths.straightness(theta) == pytest.approx(1 / 3)
    assert np.isnan(update_paths.straightness([[1.0], [1.0]]))
    assert np.isnan(update_paths.negative_cosine_share([[1.0], [1.0], [1.0]]))


def test_scale_and_shift_leave_directions_alone():
    theta = np.random.default_rng(0).standard_normal((20, 5))
    for function in (update_paths.update_cosines, update_paths.negative_cosine_share, update_paths.straightness):
        np.testing.assert_allclose(function(1e-3 * theta + 7), function(theta), atol=1e-9)
    assert update_paths.path_length(3 * theta) == pytest.approx(3 * update_paths.path_length(theta))


def test_short_paths():
    assert update_paths.update_cosines(np.zeros((3, 1, 4))).shape == (3, 0)
    assert update_paths.update_cosines(np.zeros((3, 2, 4))).shape == (3, 0)
    np.testing.assert_array_equal(update_paths.path_length(np.ones((3, 1, 4))), [0, 0, 0])


def test_diverged_paths_are_undefined():
    theta = [[0.0], [1.0], [np.inf]]
    assert np.isnan(update_paths.path_length(theta))
    assert np.isnan(update_paths.straightness(theta))
    assert np.isnan(update_paths.negative_cosine_share(theta))


@pytest.mark.parametrize("theta", [[1.0, 2.0], np.zeros((0, 3))])
def test_what_is_no_path_is_refused(theta):
    with pytest.raises(ValueError, match="path"):
        update_paths.update_cosines(theta)
