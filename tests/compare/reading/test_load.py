import math
import os

import numpy as np
import pytest

from rl_decay.compare.reading import own
from rl_decay.compare.reading.measures import DIRECTIONS, measure, training_curve
from rl_decay.errors import UserError
from rl_decay.metrics import METRICS
from rl_decay.runs import layout
from rl_decay.runs.lock import RunLock
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.runs.tables import columns, read


def rewrite(folder, **values):
    summary = read_summary(folder) | values
    write_summary(folder, {k: v for k, v in summary.items() if k != "schema_version"})


def test_a_run_folder_a_sweep_and_a_folder_of_sweeps(make_run, make_sweep, tmp_path):
    one = make_run(tmp_path / "deep" / "down" / "run", curves=("linear", "none"), seed=7, overrides=["seed=7"])
    make_sweep(tmp_path / "sweep", seeds=2)
    assert [run.folder for run in own.load([one]).runs] == [one]
    assert len(own.load([tmp_path / "sweep"]).runs) == 4
    everything = own.load([tmp_path, one, tmp_path / "sweep"])  # each run once
    assert len(everything.runs) == 5 and not everything.skipped
    run = own.load([one]).runs[0]
    assert (run.task, run.seed, run.status, run.unit, run.total_steps) == (
        "CartPole-v1",
        7,
        "finished",
        "score",
        10_000,
    )
    assert run.overrides == ("seed=7",) and run.source == "rl_decay" and run.versions["numpy"] == np.__version__
    assert run.config["schedule.actor.curve"] == "linear" and "torch" in run.versions


def test_the_curve_and_the_rates_are_those_of_the_tables(make_run, tmp_path):
    folder = make_run(tmp_path / "run", curves=("linear", "none"), scores=[0.25, 0.5, 1.0], actor__lr=1.0, critic__lr=2)
    run = own.load([folder]).runs[0]
    assert run.steps == pytest.approx([3300, 6700, 10_000]) and run.scores == pytest.approx([0.25, 0.5, 1.0])
    steps, rate = run.rates["actor"]
    # 100 iterations of 100 steps: the first uses 1 - 0/100, the last 1 - 99/100
    assert (steps[0], steps[-1]) == (100, 10_000) and rate[[0, 50, 99]] == pytest.approx([1.0, 0.5, 0.01])
    assert set(run.rates["critic"][1]) == {2.0}


def test_columns_are_those_of_the_reader_of_tables(make_run, tmp_path):
    path = make_run(tmp_path / "run") / layout.METRICS_CSV
    whole, some = read(path), columns(path, ("lr/critic", "env_steps", "losses/entropy"))
    assert list(some) == ["lr/critic", "env_steps", "losses/entropy"]
    assert all(np.array_equal(some[name], whole[name], equal_nan=True) for name in some)


def test_every_metric_by_hand():
    # Ten points at 1000, 2000, ...; the late window (7000, 10000] holds three, the final one (9000, 10000] one.
    t, y = np.arange(1, 11) * 1000.0, np.array([0.0, 0.5, 0.9, 0.3, 0.7, 0.8, 1.0, 0.4, 0.8, 0.4])
    m = measure(t, y, 10_000, "score")
    assert m.keys() == DIRECTIONS.keys() >= METRICS.keys()
    assert m["final"] == m["last_iterate"] == 0.4
    assert m["retention"] == pytest.approx(0.4)  # 0.4 / 1.0, levels of one point
    assert m["collapse"] == 1.0
    # trapezoids: sum of all 5.8, half of the ends 0.2 less, over 9 intervals
    assert m["auc"] == pytest.approx(5.6 / 9)
    assert m["steps_to_0.8"] == 3000
    assert m["excess_total_variation_late"] == pytest.approx(0.8)  # up 0.4, down 0.4: twice the smaller
    assert m["turning_rate_late"] == 1.0
    assert m["successive_difference_std_late"] == pytest.approx(math.sqrt(0.16 / 2))
    assert m["second_difference_std_late"] == pytest.approx(0.8 / math.sqrt(6))  # 0.4 - 1.6 + 0.4
    assert m["drawdown_cvar05_late"] == pytest.approx(0.6)  # 1.0 before the window, 0.4 in it
    assert all(math.isnan(m[name]) for name in ("osc_late", "osc_late_linear", "high_frequency_share_late"))


def test_oscillation_around_a_line_counts_the_bend_and_around_a_parabola_does_not():
    t = np.arange(1, 41) * 250.0
    m = measure(t, (t / 10_000) ** 2, 10_000, "score")
    assert m["osc_late"] == 0.0
    # Twelve late points; around their middle y = u^2 / 1600 + a line, u = -5.5 ... 5.5. What a line leaves of u^2 is
    # u^2 - mean u^2: sum of squares sum u^4 - (sum u^2)^2 / 12 = 3038.75 - 143^2 / 12 = 1334.667, with 12 - 2 freedoms
    assert m["osc_late_linear"] == pytest.approx(math.sqrt(1334.6667 / 10) / 1600)


def test_without_score_constants_returns_are_compared(make_run, tmp_path):
    folder = make_run(tmp_path / "run", env__id="Corridor-v0", scores=[5.0, 9.0])
    run = own.load([folder]).runs[0]
    assert run.unit == "return" and run.scores.tolist() == [5.0, 9.0]
    assert math.isnan(run.metrics["steps_to_0.8"]) and run.metrics["final"] == 9.0


def test_arguments_make_another_task_without_scores(make_run, tmp_path):
    run = own.load([make_run(tmp_path / "run", env__kwargs={"sutton_barto_reward": True}, scores=[-1.0])]).runs[0]
    assert run.task == 'CartPole-v1 {"sutton_barto_reward":true}' and run.unit == "return"


@pytest.mark.parametrize("scores", [[], [0.3], [0.3, 0.4, 0.5]])
def test_a_diverged_run_has_a_short_curve_or_none(make_run, tmp_path, scores):
    run = own.load([make_run(tmp_path / "run", scores=scores, grid=10, status="diverged", reason="NaN")]).runs[0]
    assert run.status == "diverged" and run.scores == pytest.approx(scores) and run.total_steps == 10_000
    assert all(math.isnan(run.metrics[name]) for name in ("final", "last_iterate", "osc_late", "retention", "collapse"))


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_runs_without_an_end_are_listed(make_run, tmp_path, status):
    make_run(tmp_path / "run", scores=[0.1, 0.2], grid=8, status=status, reason="why")
    found = own.load([tmp_path])
    one = found.unfinished[0]
    assert not found.runs and not found.skipped
    assert (one.folder, one.status, one.progress, one.reason) == (tmp_path / "run", status, 0.25, "why")


def test_running_is_killed_unless_somebody_holds_the_lock(make_run, tmp_path):
    folder = make_run(tmp_path / "run", scores=[0.1], grid=4, status="running")
    rewrite(folder, env_steps=0)  # as the summary stands while a run trains
    with RunLock(folder):
        assert own.load([folder]).unfinished[0].status == "running"
    one = own.load([folder]).unfinished[0]
    assert (one.status, one.progress) == ("killed", 0.25)
    (folder / layout.LOCK).unlink()
    assert own.load([folder]).unfinished[0].status == "killed"
    with RunLock(folder):  # asking did not take the lock
        pass


def cut_short(folder):
    path = folder / layout.EVALUATIONS_CSV
    path.write_text("\n".join(path.read_text().splitlines()[:-3]) + "\n")


def torn(folder):
    path = folder / layout.EVALUATIONS_CSV
    path.write_text(path.read_text()[:-4])  # the last row has no end


def ragged(folder):
    with open(folder / layout.EVALUATIONS_CSV, "a") as file:
        file.write("1,2,3\n")


def binary(folder):
    (folder / layout.EVALUATIONS_CSV).write_bytes(b"env_steps,return_mean\n\xff\xfe,1\n")


def words(folder):
    path = folder / layout.EVALUATIONS_CSV
    path.write_text(path.read_text().replace("10000", "many"))


def backwards(folder):
    path = folder / layout.EVALUATIONS_CSV
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")


DAMAGES = {
    "no json": lambda f: (f / layout.SUMMARY).write_text("{"),
    "a list": lambda f: (f / layout.SUMMARY).write_text("[]"),
    "no config": lambda f: rewrite(f, config=None),
    "no steps": lambda f: rewrite(f, config={"total_steps": "many"}),
    "no environments": lambda f: rewrite(f, config=read_summary(f)["config"] | {"env.num_envs": 0}),
    "unknown curve": lambda f: rewrite(f, config=read_summary(f)["config"] | {"schedule.actor.curve": "spiral"}),
    "no table": lambda f: (f / layout.EVALUATIONS_CSV).unlink(),
    "empty table": lambda f: (f / layout.EVALUATIONS_CSV).write_text(""),
    "cut short": cut_short,
    "torn": torn,
    "ragged": ragged,
    "binary": binary,
    "words": words,
    "backwards": backwards,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_a_line_that_names_its_file(make_run, tmp_path, damage):
    make_run(tmp_path / "good")
    damage(make_run(tmp_path / "bad"))
    found = own.load([tmp_path])
    assert [run.folder.name for run in found.runs] == ["good"]
    assert len(found.skipped) == 1 and str(tmp_path / "bad") in found.skipped[0] and "\n" not in found.skipped[0]


def test_a_diverged_run_counts_whatever_became_of_its_tables(make_run, tmp_path):
    folder = make_run(tmp_path / "run", scores=[0.1], grid=10, status="diverged")
    binary(folder)
    (folder / layout.METRICS_CSV).write_text("nothing\n")
    found = own.load([folder])
    assert found.runs[0].status == "diverged" and not len(found.runs[0].steps) and len(found.skipped) == 2


def test_without_its_metrics_table_a_run_counts_and_shows_no_rates(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / layout.METRICS_CSV).write_text("env_steps\n1\n")
    found = own.load([folder])
    assert found.runs[0].rates == {} and found.runs[0].metrics["final"] > 0.9
    assert len(found.skipped) == 1 and "metrics.csv" in found.skipped[0]


def test_a_key_younger_than_the_run_has_its_default(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    config = read_summary(folder)["config"]
    del config["algo.target_kl"]
    rewrite(folder, config=config)
    assert own.load([folder]).runs[0].config["algo.target_kl"] is None


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        own.load([tmp_path / "nowhere"])
    assert own.load([tmp_path]).empty


@pytest.mark.parametrize("curves", [("none", "none"), ("none", "linear"), ("linear", "none")])
def test_a_run_is_constant_if_both_rates_are(curves, make_run, tmp_path):
    assert own.load([make_run(tmp_path / "run", curves=curves)]).runs[0].constant == (curves == ("none", "none"))


def test_training_returns_instead_of_evaluations(make_run, tmp_path):
    returns = [math.nan] * 5 + [22.97 + 477.03 * (i + 0.5) / 100 for i in range(5, 100)]
    run = own.load([make_run(tmp_path / "run", training=returns)], training=True).runs[0]
    assert len(run.steps) == 95 and run.steps[0] == 600  # the first five have none
    assert run.scores[[0, -1]] == pytest.approx([0.055, 0.995]) and run.metrics["last_iterate"] == run.scores[-1]
    assert run.metrics["steps_to_0.8"] == 8100 and math.isnan(run.metrics["osc_late"])
    # the mean of 0.905 ... 0.995
    assert run.metrics["final"] == pytest.approx(0.95)


def test_a_training_curve_holds_its_latest_value():
    t, y = training_curve(np.array([30.0, 30.0, 995.0]), np.array([1.0, 2.0, 3.0]), 1000)
    assert t.tolist() == [*range(30, 1001, 10)] and y.tolist() == [2.0] * 97 + [3.0]
    assert all(len(part) == 0 for part in training_curve(np.empty(0), np.empty(0), 1000))


@pytest.mark.slow
def test_three_hundred_runs_of_two_hundred_evaluations_load(make_run, tmp_path):
    scores = np.random.default_rng(0).random(200)
    for seed in range(300):
        make_run(tmp_path / f"{seed}", seed=seed, scores=scores, total_steps=50_000)
    assert len(own.load([tmp_path]).runs) == 300  # how long that takes: benchmarks/report.py


def test_a_pipe_in_the_place_of_a_killed_runs_table_is_not_waited_for(make_run, tmp_path):
    folder = make_run(tmp_path / "run", status="running")
    (folder / layout.METRICS_CSV).unlink()
    os.mkfifo(folder / layout.METRICS_CSV)
    (skipped,) = own.load([folder]).unfinished
    assert skipped.folder == folder and skipped.status == "killed"
