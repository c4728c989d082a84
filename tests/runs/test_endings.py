"""How a sweep ended, in few lines and in its exit code."""

import pytest

from rl_decay.config.schema import Config, flat
from rl_decay.runs.endings import Ending, endings, failures, lines, shortfall
from rl_decay.runs.layout import SUMMARY


def ending(status, lr=1e-3, seed=0, reason=None):
    return Ending(f"lr{lr}-{seed}", status, reason, flat(Config(seed=seed)) | {"actor.lr": lr})


def test_the_counts_come_first_and_then_the_arms_that_lost_runs():
    runs = [ending("finished", seed=s) for s in range(3)]
    runs += [ending("diverged", 0.1, seed=s) for s in range(2)] + [ending("finished", 0.1, seed=2)]
    runs += [ending("failed", 10.0, reason="out of fuel")]
    assert lines(runs) == [
        "7 runs: 4 finished, 2 diverged, 1 failed",
        "actor.lr=0.1: 2 diverged of 3",
        "actor.lr=10: 1 failed of 1",
    ]


def test_a_sweep_without_losses_is_one_line():
    assert lines([ending("finished"), ending("finished", 0.1)]) == ["2 runs: 2 finished"]
    assert lines([ending("finished")]) == ["1 run: 1 finished"]
    assert lines([]) == []


def test_runs_that_have_not_ended_are_said_too():
    assert lines([ending("interrupted"), ending("running", seed=1)])[0] == "2 runs: 1 interrupted, 1 running"


def test_many_incomplete_arms_are_cut_to_a_few_lines():
    runs = [ending("diverged", lr) for lr in range(1, 21)]
    shown = lines(runs)
    assert len(shown) == 1 + 8 + 1 and shown[-1] == "and 12 more arms"


def test_a_job_that_was_refused_counts_without_an_arm():
    refused = Ending("job", "failed", "actor.lr=-1: must be 0 or more")
    assert lines([ending("finished"), refused]) == ["2 runs: 1 finished, 1 failed"]
    assert failures([ending("finished"), refused]) == ["job: actor.lr=-1: must be 0 or more"]


@pytest.mark.parametrize(
    "statuses, reason",
    [
        (["finished", "finished"], None),
        (["finished", "diverged"], None),  # a sweep over rates is expected to lose some
        (["diverged", "diverged"], "all 2 runs diverged"),
        (["finished", "failed", "diverged"], "1 of 3 runs failed"),
        (["finished", "running"], "1 of 2 runs failed"),
        (["failed"], "1 of 1 runs failed"),
        ([], None),
    ],
)
def test_a_failed_run_is_a_failure_and_diverged_ones_only_if_all_did(statuses, reason):
    assert shortfall([ending(status) for status in statuses]) == reason


def test_they_are_read_from_the_folders_and_a_damaged_summary_counts_as_failed(tmp_path):
    for name, text in {"a/seed0": '{"schema_version": 1, "status": "diverged", "reason": "NaN"}', "b": "{"}.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / SUMMARY).write_text(text)
    found = endings(tmp_path, [tmp_path / "a" / "seed0", tmp_path / "b", tmp_path / "never began"])
    assert [(run.name, run.status) for run in found] == [("a/seed0", "diverged"), ("b", "failed")]
    assert str(tmp_path / "b" / SUMMARY) in failures(found)[0]


def test_a_refused_job_fails_once_whether_its_folder_holds_a_run_or_not(tmp_path):
    for name, status in {"a": "finished", "b": "running"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / SUMMARY).write_text(f'{{"schema_version": 1, "status": "{status}"}}')
    refused = {tmp_path / "a": "seed=0: is in use", tmp_path / "c": "seed=2: no room"}
    found = endings(tmp_path, [tmp_path / "a", tmp_path / "b", tmp_path / "c"], refused)
    assert [(run.name, run.status) for run in found] == [("a", "failed"), ("b", "running"), ("c", "failed")]
    assert failures(found) == [
        "a: seed=0: is in use",
        "b: has not ended: another process trains it, or its process was killed",
        "c: seed=2: no room",
    ]
    assert shortfall(found) == "3 of 3 runs failed"
