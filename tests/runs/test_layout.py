from rl_decay.metrics import OscillationStream
from rl_decay.runs import layout


def test_metric_columns_begin_with_the_counters():
    assert layout.METRIC_COLUMNS[:4] == ("env_steps", "iteration", "valid_steps", "charts/episodic_return")


def test_metric_columns_are_the_published_ones():
    families = {"charts": 4, "losses": 7, "lr": 2, "schedule": 2, "update": 15, "eval": 2, "oscillation": 4}
    assert [tag.split("/")[0] for tag in layout.TAGS] == [name for name, n in families.items() for _ in range(n)]
    assert layout.TAGS[15:19] == (
        "update/actor/grad_norm",
        "update/actor/clipped_share",
        "update/actor/rel_step",
        "update/actor/cos_prev",
    )


def test_every_value_of_the_oscillation_stream_has_a_tag():
    """The recorder gives every value the tag oscillation/<name>, and a table refuses a column that it does not have."""
    names = OscillationStream(end=1.0).add(0.5, 0.0)
    assert {f"oscillation/{name}" for name in names} == {tag for tag in layout.TAGS if tag.startswith("oscillation/")}


def test_every_name_occurs_once():
    names = layout.METRIC_COLUMNS + layout.FINAL_TAGS
    assert len(set(names)) == len(names)
    assert len(set(layout.STATUSES)) == 5


def test_evaluation_columns():
    assert layout.evaluation_columns(2) == (
        "env_steps",
        "iteration",
        "return_mean",
        "return_std",
        "score",
        "episode_length",
        "cut",
        "return_0",
        "return_1",
    )


def test_a_run_is_a_folder_with_a_summary(tmp_path):
    assert not layout.is_run(tmp_path / "missing")
    assert not layout.is_run(tmp_path)
    (tmp_path / layout.SUMMARY).write_text("{}")
    assert layout.is_run(tmp_path)
    assert layout.is_run(str(tmp_path))
