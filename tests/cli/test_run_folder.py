"""What a run leaves behind: files, columns, numbers."""

import json
import math

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from variants import every

from rl_decay.runs import layout
from rl_decay.runs.tables import read

ITERATIONS = 30  # the last 30 % are 9 iterations, each with an evaluation: enough for osc_late
KEYS = (
    "schema_version config fingerprint overrides env_id seed threads compile vec device versions env_steps valid_steps"
)
KEYS += " iterations wall_seconds steps_per_second final_return last_return best_return osc_late"
KEYS += " drawdown_cvar05_late retention unit status reason"
WARMUP = ("schedule=linear_warmup", "schedule.warmup=0.25", "actor.lr=1e-3", "critic.lr=5e-4")


class Run:
    """A finished run, read back."""

    def __init__(self, ended, folder):
        assert (ended.code, ended.err) == (0, ""), ended
        self.ended, self.folder = ended, folder
        self.summary = json.loads((folder / layout.SUMMARY).read_text())
        self.metrics = read(folder / layout.METRICS_CSV)
        self.evaluations = read(folder / layout.EVALUATIONS_CSV)


@pytest.fixture(scope="module")
def train(train_in, tmp_path_factory, small):
    """Train in a new folder: train(*overrides) -> Run."""

    def run(*overrides: str) -> Run:
        folder = tmp_path_factory.mktemp("run")
        given = [*small, "hydra.run.dir=mine", *overrides]
        return Run(train_in(folder, *given), folder / "mine")

    return run


@pytest.fixture(scope="module")
def run(train):
    """A run with everything that is written, long enough for every number."""
    return train(f"total_steps={ITERATIONS * 32 + 5}", "seed=3", "checkpoint.every=5", "checkpoint.keep=2", *WARMUP)


def test_every_file_is_there(run):
    names = {path.name for path in run.folder.iterdir()}
    assert {".hydra", "metrics.csv", "evaluations.csv", "summary.json", "checkpoints", "run.lock"} <= names
    assert len([name for name in names if name.startswith("events.out.tfevents.")]) == 1
    assert OmegaConf.load(run.folder / ".hydra" / "config.yaml").seed == 3
    checkpoints = sorted(path.name for path in (run.folder / "checkpoints").iterdir())
    assert checkpoints == ["best.pt", "iteration_000000025.pt", "iteration_000000030.pt", "latest.pt"]


def test_the_summary_has_every_key(run):
    assert set(KEYS.split()) <= set(run.summary)
    said = run.summary
    assert (said["schema_version"], said["status"], said["reason"], said["unit"]) == (1, "finished", None, "score")
    assert (said["env_id"], said["seed"], said["vec"], said["device"]) == ("CartPole-v1", 3, "batched", "cpu")
    assert said["config"]["vec"] == "auto"
    assert (said["iterations"], said["env_steps"]) == (ITERATIONS, ITERATIONS * 32)  # the rest of 5 is not trained
    assert said["config"]["schedule.actor.curve"] == "linear_warmup"
    assert "seed=3" in said["overrides"] and said["versions"]["torch"] == torch.__version__
    assert len(said["fingerprint"]) == 64
    assert 0 < said["valid_steps"] < said["env_steps"]  # CartPole's untrained episodes end early: there are fillers
    assert said["steps_per_second"] == pytest.approx(said["valid_steps"] / said["wall_seconds"], rel=0.05)
    assert all(math.isfinite(said[key]) for key in ("osc_late", "drawdown_cvar05_late", "retention"))


def test_metrics_has_one_row_per_iteration(run):
    assert tuple(run.metrics) == layout.METRIC_COLUMNS
    assert run.metrics["iteration"].tolist() == list(range(1, ITERATIONS + 1))
    assert (run.metrics["env_steps"] == 32 * run.metrics["iteration"]).all()
    assert run.metrics["valid_steps"][-1] == run.summary["valid_steps"]
    lines = (run.folder / layout.METRICS_CSV).read_text().splitlines()
    assert {len(line.split(",")) for line in lines} == {len(layout.METRIC_COLUMNS)}


def test_tensorboard_has_the_same_numbers(run):
    shown = EventAccumulator(str(run.folder), size_guidance={"scalars": 0}).Reload()
    filled = {tag for tag in layout.TAGS if not np.isnan(run.metrics[tag]).all()}
    assert set(shown.Tags()["scalars"]) == filled | set(layout.FINAL_TAGS)
    blocks = {f"update/{group}/{name}" for group in ("actor", "critic") for name in ("straightness", "frac_neg_cos")}
    # discrete actions have no standard deviation, and 30 updates are no block of 50
    assert set(layout.TAGS) - filled == {"losses/policy_std"} | blocks
    for tag in filled:
        points, column = shown.Scalars(tag), run.metrics[tag]
        written = ~np.isnan(column)
        assert [point.step for point in points] == run.metrics["env_steps"][written].tolist(), tag
        assert [point.value for point in points] == column[written].astype(np.float32).tolist(), tag
    for tag, key in zip(layout.FINAL_TAGS, ("final_return", "osc_late")):
        (point,) = shown.Scalars(tag)
        assert (point.step, point.value) == (ITERATIONS * 32, float(np.float32(run.summary[key])))


def test_evaluations_say_every_episode(run):
    table = run.evaluations
    assert tuple(table) == layout.evaluation_columns(2)
    episodes = np.stack([table["return_0"], table["return_1"]])
    assert (table["env_steps"] == 32 * table["iteration"]).all()
    assert (table["return_mean"] == episodes.mean(0)).all() and (table["return_std"] == episodes.std(0)).all()
    assert (table["episode_length"] == table["return_mean"]).all()  # CartPole: a reward of 1 per step
    np.testing.assert_allclose(table["score"], (table["return_mean"] - 22.97) / (500 - 22.97))
    at = ~np.isnan(run.metrics["eval/return"])
    assert (run.metrics["iteration"][at] == table["iteration"]).all()
    assert (run.metrics["eval/return"][at] == table["return_mean"]).all()
    assert table["iteration"][-1] == ITERATIONS


def test_final_numbers_follow_from_the_evaluations(run):
    returns, iterations = run.evaluations["return_mean"], run.evaluations["iteration"]
    late = iterations > 0.9 * ITERATIONS  # 28, 29, 30
    assert run.summary["final_return"] == pytest.approx(returns[late].mean())
    assert run.summary["last_return"] == returns[-1]
    assert run.summary["best_return"] == returns.max()
    oscillation = run.metrics["oscillation/residual_std"]
    assert oscillation[-1] == pytest.approx(run.summary["osc_late"], rel=1e-6)


def test_checkpoints_load_as_plain_data(run):
    for path in (run.folder / "checkpoints").iterdir():
        content = torch.load(path, weights_only=True)
        assert content["schema_version"] == 2
        assert content["config"] == run.summary["config"]
        assert content["fingerprint"] == run.summary["fingerprint"]
    latest, best = (torch.load(run.folder / "checkpoints" / f"{n}.pt", weights_only=True) for n in ("latest", "best"))
    assert latest["iteration"] == ITERATIONS
    first_best = int(run.evaluations["iteration"][run.evaluations["return_mean"].argmax()])
    assert best["iteration"] == first_best


def test_the_person_is_told_where_to_look(run):
    assert "Plan" in run.ended.out and "Results" in run.ended.out
    assert "tensorboard --logdir mine" in run.ended.out


def test_a_short_run_says_why_it_has_no_osc_late(train):
    short = train("total_steps=96", "logger=none").summary
    assert short["osc_late"] is None
    assert "8" in short["osc_late_reason"]
    assert short["status"] == "finished" and short["final_return"] is not None


def test_a_task_without_constants_is_measured_in_its_own_return(train):
    run = train("total_steps=64", "logger=none", "env=generic", "env.id=tests/Push-v0", "env.num_envs=2")
    assert run.summary["unit"] == "return"
    assert np.isnan(run.evaluations["score"]).all() and np.isnan(run.metrics["eval/score"]).all()
    assert not np.isnan(run.evaluations["return_mean"]).any()
    assert not np.isnan(run.metrics["losses/policy_std"]).any()  # continuous actions have one


# T iterations; W = warmup * T is not whole. lr(t) in the words of the schedules, with the progress t/T or t/(T-1)
T, LR = 7, {"actor": 1e-3, "critic": 4e-4}


def held_then_linear(lr, final, warmup):
    w = warmup * T
    return [lr if t < w else lr - (lr - final) * (t - w) / (T - w) for t in range(T)]


def straight(first, last, end=T):
    return [first - (first - last) * t / end for t in range(T)]


FORMULAS = {
    ("schedule=none",): ([1e-3] * T, [4e-4] * T),
    ("schedule=linear",): (straight(1e-3, 0), straight(4e-4, 0)),
    ("schedule=linear", "schedule.final=0.1", "schedule.critic.final=0.5"): (
        straight(1e-3, 1e-4),
        straight(4e-4, 2e-4),
    ),
    ("schedule=linear_warmup", "schedule.warmup=0.25", "schedule.critic.warmup=0.5"): (
        held_then_linear(1e-3, 0, 0.25),  # W = 1.75
        held_then_linear(4e-4, 0, 0.5),  # W = 3.5
    ),
    ("schedule/actor=none", "schedule/critic=linear_warmup", "schedule.final=0.5"): (
        [1e-3] * T,
        held_then_linear(4e-4, 2e-4, 0.1),
    ),
    ("experiment=reversed",): (straight(0, 1e-3), straight(0, 4e-4)),
    ("schedule=linear", "schedule.final=0.25", "schedule.inclusive=true"): (
        straight(1e-3, 2.5e-4, T - 1),
        straight(4e-4, 1e-4, T - 1),
    ),
}


@pytest.mark.parametrize("overrides", every(2, map(list, FORMULAS), map(" ".join, FORMULAS)))
def test_the_rates_used_are_the_formulas(train, overrides):
    run = train(
        f"total_steps={T * 32}",
        "logger=none",
        "evaluation.early=0",
        "evaluation.late=1",
        *(f"{role}.lr={lr}" for role, lr in LR.items()),
        *overrides,
    )
    for role, formula in zip(("actor", "critic"), FORMULAS[tuple(overrides)]):
        used = run.metrics[f"lr/{role}"].astype(np.float32)
        np.testing.assert_allclose(used, formula, rtol=1e-6, atol=1e-12)
        assert used[0] == np.float32(formula[0])  # the first update uses lr_initial exactly
        if "schedule.inclusive=true" in overrides:
            assert used[-1] == np.float32(0.25 * LR[role])  # and this one's last update lr_final


def test_unused_knobs_and_a_foreign_preset_are_lines_of_the_plan(train):
    run = train("total_steps=32", "logger=none", "schedule=none", "schedule.warmup=0.3", "env.id=Acrobot-v1")
    plan = " ".join(run.ended.out.split("Schedule")[0].split())
    assert "unused schedule.warmup=0.3" in plan
    assert "env=cartpole" in plan and "env=acrobot fits it" in plan
