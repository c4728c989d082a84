"""Runs that were begun before evaluations had a cap of their own go on by the rules of their time."""

import shutil

import numpy as np
import pytest
from trained import train_configs

from rl_decay.config import plan
from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints

ONCE, NOW = 60, 25  # steps after which an evaluation's episode was cut once, and is cut now


@pytest.fixture
def endless(small, monkeypatch):
    """A run whose episodes never end, as the old rules would train it: a configuration with resume=auto."""
    monkeypatch.setattr(plan, "CAP_BEFORE_RECORDED", ONCE)
    monkeypatch.setattr(plan, "LONGEST_EPISODE", NOW)
    return small(env__id="MountainCarContinuous-v0", env__kwargs={"max_episode_steps": -1}, resume="auto")


def aged(folder):
    """Take from a folder whatever a run of the older version did not write."""
    table = folder / layout.EVALUATIONS_CSV
    rows = [line.split(",") for line in table.read_text().splitlines()]
    place = rows[0].index(layout.CUT)
    table.write_text("".join(",".join(row[:place] + row[place + 1 :]) + "\n" for row in rows))
    path = folder / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    content["run"]["files"][layout.EVALUATIONS_CSV] = table.stat().st_size
    for recorded in (content, content["config"], summary := read_summary(folder), summary["config"]):
        recorded.pop("evaluation_cap", None)
        recorded.pop("evaluation.max_steps", None)
    checkpoints.save(path, content)
    write_summary(folder, summary)


def test_an_older_run_keeps_its_columns_and_its_cap(endless, stopped, monkeypatch, tmp_path):
    with monkeypatch.context() as once:
        once.setattr(plan, "LONGEST_EPISODE", ONCE)
        folder = stopped(tmp_path / "old", endless, 4)
        shutil.copytree(folder, tmp_path / "whole")
        train_configs([endless], [tmp_path / "whole"])
    aged(folder)
    (result,) = train_configs([endless], [folder])
    assert result.status == "finished"
    curve, expected = read(folder / layout.EVALUATIONS_CSV), read(tmp_path / "whole" / layout.EVALUATIONS_CSV)
    assert layout.CUT not in curve and expected.pop(layout.CUT).tolist() == [2.0] * len(curve["iteration"])
    assert curve.keys() == expected.keys()
    for name, column in curve.items():
        np.testing.assert_array_equal(column, expected[name], name)
    assert set(curve["episode_length"]) == {ONCE}
    assert replay(load_policy(folder)).lengths.tolist() == [[ONCE, ONCE]]
    assert read_summary(folder)["fingerprint"] == read_summary(tmp_path / "whole")["fingerprint"]


def test_a_policy_of_an_older_run_is_replayed_as_it_was_evaluated(endless, stopped, tmp_path):
    folder = stopped(tmp_path / "old", endless, 4)
    assert replay(load_policy(folder)).lengths.tolist() == [[NOW, NOW]]
    aged(folder)
    assert replay(load_policy(folder)).lengths.tolist() == [[ONCE, ONCE]]


def test_a_cap_of_ones_own_is_another_experiment(endless, small, stopped, tmp_path):
    folder = stopped(tmp_path / "old", endless, 4)
    aged(folder)
    endless.evaluation.max_steps = 7
    with pytest.raises(UserError, match=r"evaluation\.max_steps=7: .*has evaluation\.max_steps=None"):
        train_configs([endless], [folder])


def test_a_run_begun_before_a_tag_came_goes_on_without_its_column(small, stopped, monkeypatch, tmp_path):
    new = "update/churn"
    with monkeypatch.context() as earlier:
        earlier.setattr(layout, "METRIC_COLUMNS", tuple(name for name in layout.METRIC_COLUMNS if name != new))
        earlier.setattr(layout, "LATER_COLUMNS", (layout.CUT, new))
        folder = stopped(tmp_path / "old", small(), 4)
    with pytest.raises(UserError, match=r"metrics\.csv: its columns are not those of this run"):
        train_configs([small(resume="auto")], [folder])  # a column that did not come later has been removed
    monkeypatch.setattr(layout, "LATER_COLUMNS", (layout.CUT, new))
    (result,) = train_configs([small(resume="auto")], [folder])
    assert result.status == "finished"
    table = read(folder / layout.METRICS_CSV)
    assert new not in table and len(table["iteration"]) == result.summary["iterations"]
