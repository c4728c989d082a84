"""Arms as TensorBoard runs."""

from dataclasses import replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_decay.compare import command
from rl_decay.compare.analysis import study
from rl_decay.compare.figures import plots
from rl_decay.compare.report.tensorboard import folder_names, write_arms
from rl_decay.runs import layout
from rl_decay.runs.events import EventFile

# Two runs that rise together, apart by 0.2, and a pair that does not oscillate at all.
LINEAR = [[0.2, 0.4, 0.6, 0.8], [0.4, 0.6, 0.8, 1.0]]
NONE = [[0.5] * 4, [0.5] * 4]


@pytest.fixture
def sweep(tmp_path, make_sweep):
    return make_sweep(tmp_path / "sweep", {"linear": LINEAR, "none": NONE})


def curve(folder, tag):
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload().Scalars(tag)
    return [point.step for point in found], [point.value for point in found]


def test_an_arm_is_the_mean_of_its_runs(sweep):
    write_arms(command.compare([sweep], command.Options()), sweep, figures={})
    arm = sweep / "arms" / "schedule=linear"
    steps, scores = curve(arm, "eval/score")
    assert steps == [2500, 5000, 7500, 10_000]
    assert scores == pytest.approx([0.3, 0.5, 0.7, 0.9])
    # CartPole-v1: 22.97 + score * (500 - 22.97)
    assert curve(arm, "eval/return")[1] == pytest.approx([22.97 + s * 477.03 for s in (0.3, 0.5, 0.7, 0.9)])
    assert curve(arm, "oscillation/drawdown")[1] == [0, 0, 0, 0]
    # 100 iterations of 100 env steps: the k-th runs at lr * (1 - k / 100)
    steps, rates = curve(arm, "lr/actor")
    assert len(steps) == 100 and rates[50] / rates[0] == pytest.approx(0.5)
    assert len(set(curve(sweep / "arms" / "schedule=none", "lr/critic")[1])) == 1


def test_the_final_numbers_are_the_estimates(sweep):
    write_arms(command.compare([sweep], command.Options()), sweep, figures={})
    # final: the last evaluation alone lies in the last 10 %: (0.8 + 1.0) / 2 = 0.9
    assert curve(sweep / "arms" / "schedule=linear", "final/return") == (
        [10_000],
        [pytest.approx(22.97 + 0.9 * 477.03)],
    )


def test_oscillation_is_each_runs_own(tmp_path, make_sweep):
    # Opposite waves: their mean is flat, each of them falls by 0.4 from its best.
    sweep = make_sweep(tmp_path / "sweep", {"none": [[0.3, 0.7, 0.3], [0.7, 0.3, 0.7]]})
    write_arms(command.compare([sweep], command.Options()), sweep, figures={})
    # run 0: 0, 0, 0.4; run 1: 0, 0.4, 0
    assert curve(sweep / "arms" / "schedule=none", "oscillation/drawdown")[1] == pytest.approx([0, 0.2, 0.2])


def test_a_diverged_run_pulls_the_mean_down(tmp_path, make_run):
    make_run(tmp_path / "sweep" / "a", seed=0, scores=[0.5, 0.5, 0.5, 0.5])
    make_run(tmp_path / "sweep" / "b", seed=1, scores=[0.5, 0.5], grid=4, status="diverged")
    write_arms(command.compare([tmp_path / "sweep"], command.Options()), tmp_path / "sweep", figures={})
    assert curve(tmp_path / "sweep" / "arms" / "schedule=none", "eval/score")[1] == pytest.approx(
        [0.5, 0.5, 0.25, 0.25]
    )


def test_hparams_have_a_row_per_arm(sweep):
    write_arms(command.compare([sweep], command.Options()), sweep, figures={})
    found = EventAccumulator(str(sweep / "arms" / "schedule=linear")).Reload()
    start = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert (
        b"schedule.actor.curve" in start
        and b"linear" in start
        and b"seed" not in start.replace(b"evaluation.seed", b"")
    )
    assert "custom_scalars__config__" in found.Tags()["tensors"]


def test_figures_become_images(sweep):
    comparison = command.compare([sweep], command.Options())
    *_, last = write_arms(comparison, sweep, plots.figures(comparison))
    assert last.parent == sweep / "arms" / "report"
    images = EventAccumulator(str(last.parent)).Reload()
    assert images.Tags()["images"] == ["curves", "intervals", "seeds", "profiles"]
    assert images.Images("curves")[0].width == 1275


def test_writing_again_replaces_the_files_and_nothing_else(sweep):
    comparison = command.compare([sweep], command.Options())
    first = write_arms(comparison, sweep, figures={"a": PNG})
    kept = sweep / "arms" / "schedule=none" / "mine.txt"
    kept.write_text("kept")
    again = write_arms(replace(comparison, arms=comparison.arms[:1]), sweep, figures={})
    assert len(first) == 3 and len(again) == 1
    assert kept.read_text() == "kept"
    assert sorted(sweep.glob(f"arms/*/{layout.EVENTS}*")) == again
    assert not (sweep / "arms" / "report").exists()
    assert len(list(sweep.glob("*/summary.json"))) == 4


def test_the_arms_are_not_taken_for_runs(sweep):
    before = command.compare([sweep], command.Options())
    write_arms(before, sweep, figures={"a": PNG})
    after = command.compare([sweep], command.Options())
    assert [len(arm.runs) for arm in after.arms] == [len(arm.runs) for arm in before.arms]
    assert after.skipped == before.skipped == ()


def test_tasks_are_runs_of_their_own(sweep):
    arms = [
        replace(arm, runs=arm.runs + tuple(replace(run, task="Acrobot-v1") for run in arm.runs))
        for arm in command.compare([sweep], command.Options()).arms
    ]
    paths = write_arms(study.compare(arms, arms[0].name), sweep, figures={})
    assert [path.parent.name for path in paths] == [
        f"schedule={curve}_{task}" for curve in ("linear", "none") for task in ("Acrobot-v1", "CartPole-v1")
    ]


def test_folder_names():
    names = ["schedule=linear actor.lr=0.001", "../../etc", "a/b", "a b", "report", "A_b", "é", "x" * 300]
    assert folder_names(names) == [
        *("schedule=linear_actor.lr=0.001", "etc", "a_b", "a_b_2", "report_2", "A_b_3", "arm"),
        "x" * 100,
    ]


def test_returns_stay_returns(sweep):
    arms = [
        replace(arm, runs=tuple(replace(run, unit="return", task="Own-v0") for run in arm.runs))
        for arm in command.compare([sweep], command.Options()).arms
    ]
    write_arms(study.compare(arms, arms[0].name), sweep, figures={})
    found = EventAccumulator(str(sweep / "arms" / "schedule=linear")).Reload()
    assert "eval/score" not in found.Tags()["scalars"]
    np.testing.assert_allclose([p.value for p in found.Scalars("eval/return")], [0.3, 0.5, 0.7, 0.9], rtol=1e-6)


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (7).to_bytes(4, "big") + (3).to_bytes(4, "big")


def test_event_files_of_others_stay_where_they_are(make_sweep, tmp_path):
    """A folder named arms may be anybody's: what no comparison made is not cleared."""
    theirs = tmp_path / "arms" / "theirs"
    theirs.mkdir(parents=True)
    events = EventFile(theirs)
    events.flush()
    sweep = make_sweep(tmp_path / "arms" / "mine", {"none": [[0.5, 0.6]]})
    for _ in range(2):
        write_arms(command.compare([sweep], command.Options()), tmp_path, figures={})
    assert events.path.exists()
    assert len(list((tmp_path / "arms" / "schedule=none").glob("events.out.tfevents.*"))) == 1
