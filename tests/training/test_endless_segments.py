"""Segments in which no episode ends: a warning and a note, once; and what the plan says of a task without a limit."""

import logging

import pytest
from trained import train_configs

from rl_decay.config.plan import ENDLESS
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read

LOG = "rl_decay"


def endless_notes(result) -> list[str]:
    return [note for note in result.summary["notes"] if note.startswith(ENDLESS)]


@pytest.fixture
def car(configure):
    """Four segments of one iteration of 32 steps each, in a task whose episodes do not end."""
    return lambda **values: configure(
        env__id="MountainCarContinuous-v0", env__kwargs={"max_episode_steps": -1}, evaluation__max_steps=5, **values
    )


def test_a_segment_without_the_end_of_an_episode_is_told_once(car, train, caplog):
    with caplog.at_level(logging.WARNING, LOG):
        one, other = train(car(seed=1), car(seed=2))
    assert [record.getMessage() for record in caplog.records] == endless_notes(one) == endless_notes(other)
    (note,) = endless_notes(one)
    assert "no episode ended in a whole segment of 32 steps per environment" in note
    assert "env.kwargs.max_episode_steps" in note


@pytest.mark.parametrize("limit, told", [(32, False), (33, True)])
def test_the_last_step_of_a_segment_counts(limit, told, configure, train):
    task = {"env__id": "MountainCarContinuous-v0", "env__kwargs": {"max_episode_steps": limit}}
    (result,) = train(configure(**task, total_steps=64))  # one iteration of 32 steps
    assert bool(endless_notes(result)) == told


def test_a_member_does_not_hide_anothers_endless_segments(car, configure, train):
    (alone,) = train(car(seed=3))
    together = train(car(seed=3), car(seed=4))
    assert endless_notes(alone) == endless_notes(together[0])


def test_a_continued_run_knows_what_was_told_and_what_was_played(car, tmp_path):
    config = car(checkpoint__every=1, segments=2, resume="auto")  # segments of two iterations

    class Stop:
        def iteration(self, done, *_):
            return "a test" if done in (1, 3) else None

    for done, notes in ((1, 0), (3, 1), (4, 1)):
        (result,) = train_configs([config], [tmp_path / "run"], show=lambda *_: Stop())
        assert (result.summary["iterations"], len(endless_notes(result))) == (done, notes)


def test_a_task_without_a_limit_is_marked_with_what_its_evaluations_cost(configure, train):
    (result,) = train(configure(env__id="tests/Push-v0"))
    # 1 evaluation of 2 episodes of at most 1,000 steps
    (note,) = [note for note in result.summary["notes"] if note.startswith("evaluations: ")]
    assert "1,000 steps (evaluation.max_steps)" in note and "up to 2,000 steps beside the 256 of training" in note
    assert read_summary(result.folder)["evaluation_cap"] == 1000
    (given,) = train(configure(env__id="tests/Push-v0", evaluation__max_steps=10))
    (limited,) = train(configure())
    assert given.summary["notes"] == limited.summary["notes"] == []
    assert limited.summary["evaluation_cap"] == 500


def test_evaluations_count_the_episodes_that_were_cut(car, train):
    (result,) = train(car())
    table = read(result.folder / layout.EVALUATIONS_CSV)
    assert (table["cut"].tolist(), table["episode_length"].tolist()) == ([2.0], [5.0])
    assert result.summary["evaluation_cap"] == 5
