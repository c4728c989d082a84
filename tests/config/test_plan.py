"""The clock of a run, by hand and by its laws."""

import numpy as np
import pytest

from rl_decay.config.plan import evaluation_points, make_plan, segment_length
from rl_decay.metrics import late_window


def test_a_remainder_is_not_trained(configure):
    # 1000 = 15 iterations of 2 * 32 steps, and 40 steps over
    layout = make_plan(configure(total_steps=1000, segments=4), None)
    assert (layout.asked_steps, layout.steps_per_iteration, layout.num_iterations) == (1000, 64, 15)
    assert layout.total_steps == 960
    assert (layout.clock.segment_length, layout.segments, layout.segments_asked) == (4, 4, 4)  # 4 + 4 + 4 + 3
    assert layout.checkpoint_every == 4  # one segment
    assert make_plan(configure(total_steps=1000, checkpoint__every=7), None).checkpoint_every == 7


@pytest.mark.parametrize(("total", "iterations"), [(64, 1), (127, 1), (128, 2)])
def test_whole_iterations_only(total, iterations, configure):
    layout = make_plan(configure(total_steps=total), None)
    assert layout.num_iterations == iterations
    assert layout.evaluation_points[-1] == iterations


@pytest.mark.parametrize(
    ("num_iterations", "segments", "time_limit", "length"),
    [
        (100, 10, None, 10),
        (101, 10, None, 11),  # ceil(10.1)
        (5, 10, None, 1),
        (100, 1, 500, 100),
        # rollouts of 128 steps, time limit 500: a segment takes 5000 steps of a slot
        (1000, 10, 500, 100),  # 128,000 // 5000 = 25 would fit
        (200, 10, 500, 40),  # 25,600 // 5000 = 5
        (30, 10, 500, 30),  # 3,840 steps hold not even one: no cut
    ],
)
def test_segments(num_iterations, segments, time_limit, length):
    assert segment_length(num_iterations, segments, 128, time_limit) == length


def test_segments_hold_ten_time_limits():
    rng = np.random.default_rng(0)
    for _ in range(500):
        iterations, segments, num_steps, limit = (int(rng.integers(1, top)) for top in (2000, 50, 512, 1000))
        length = segment_length(iterations, segments, num_steps, limit)
        assert 1 <= length <= iterations
        assert -(-iterations // length) <= segments
        assert length == iterations or length * num_steps >= 10 * limit


def test_evaluation_points_by_hand():
    # late: 40 - i * 12/4 for i = 0..3; early: i * 28/2 for i = 1, 2
    assert evaluation_points(40, early=2, late=4) == (14, 28, 31, 34, 37, 40)
    assert evaluation_points(40, early=0, late=1) == (40,)
    # 10 - i * 3/20 rounds to 10, 9, 8, 7 (half to even: 7.15 is the last); early ones 1..7
    assert evaluation_points(10, early=10, late=20) == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)


@pytest.mark.parametrize(("early", "late"), [(10, 20), (0, 8), (3, 1), (50, 50)])
def test_evaluation_points_are_ascending_unique_and_end_with_the_end(early, late):
    for num_iterations in [*range(1, 300), 1000, 12345]:
        points = evaluation_points(num_iterations, early, late)
        assert list(points) == sorted(set(points))
        assert points[0] >= 1
        assert points[-1] == num_iterations
        assert len(points) <= early + late


def test_long_runs_have_enough_late_points():
    for num_iterations in [*range(27, 1000), 12345]:
        points = 64.0 * np.array(evaluation_points(num_iterations, early=10, late=20))
        late = late_window(points, 0.3, 64.0 * num_iterations).sum()
        assert late >= 8
        if num_iterations >= 70:
            assert late in (20, 21)  # the last early point may be rounded into the late window
            assert len(points) == 30


def test_evaluations_of_every_iteration_need_no_more_than_the_iterations():
    assert evaluation_points(400, early=10**18, late=10**18) == tuple(range(1, 401))
    # 30 % of 10 iterations: 7 < p <= 10; before: none
    assert evaluation_points(10, early=0, late=10**18) == (7, 8, 9, 10)


def test_a_plan_of_the_longest_run_is_made_at_once(configure):
    most = 2**63 - 1
    layout = make_plan(configure(total_steps=most, segments=most), 500)
    assert layout.num_iterations == most // 64
    assert layout.evaluation_points[-1] == layout.num_iterations
