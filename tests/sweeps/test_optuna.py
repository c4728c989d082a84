"""Optuna hands its batches to the launcher: the trials of one batch are one population."""

import json
import math

import pytest
from omegaconf import OmegaConf
from variants import thorough

from rl_decay.hydra_app.objective import objective
from rl_decay.runs.jobs import write_jobs
from rl_decay.runs.summary import write_summary


@pytest.mark.thorough
def test_tuning(shell, tiny, tmp_path, summaries):
    ended = shell(
        *tiny,
        "experiment=tune",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.n_jobs=2",
        "hydra.launcher.workers=1",
    )
    assert ended.code == 0, ended
    said = summaries(tmp_path / "sweep")
    assert len(said) == 4 and all(s["status"] == "finished" for s in said.values())
    assert ended.out.count("2 jobs in 1 population(s), 1 worker(s)") == 2
    results = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    assert results.best_value == pytest.approx(max(s["final_return"] for s in said.values()), rel=1e-12)
    assert set(results.best_params) == {"schedule.warmup", "schedule.final", "actor.lr", "critic.lr"}
    best = max(said.values(), key=lambda s: s["final_return"])
    assert len({s["config"]["actor.lr"] for s in said.values()}) == 4
    if sum(s["final_return"] == best["final_return"] for s in said.values()) == 1:
        assert best["config"]["actor.lr"] == pytest.approx(results.best_params["actor.lr"])


@pytest.mark.parametrize(
    "launcher", [thorough("hydra.launcher.workers=1"), pytest.param("hydra/launcher=basic", marks=pytest.mark.slow)]
)
def test_trials_that_diverge_or_fail_do_not_end_a_study(breaking, shell, tiny, tmp_path, launcher):
    # two tasks, of which one fails, and two rates, of which one diverges; in a process because importing Optuna warns
    grid = ("env.id=choice(CartPole-v1,sweep_tasks:Raising-v0)", "critic.lr=choice(1e-3,1e30)")
    study = ("hydra/sweeper=optuna", "hydra/sweeper/sampler=grid", "hydra.sweeper.direction=maximize")
    counts = ("hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=1", "schedule=none", "total_steps=320")
    task = ("env=generic", "env.num_envs=2")
    ended = shell(*tiny, *task, *study, *counts, *grid, launcher)
    summaries = [json.loads(path.read_text()) for path in (tmp_path / "sweep").glob("*/summary.json")]
    statuses = sorted(summary["status"] for summary in summaries)
    assert len(statuses) == 4 and {"finished", "diverged", "failed"} == set(statuses)
    results = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    (best,) = [summary["final_return"] for summary in summaries if summary["status"] == "finished"]
    assert results.best_value == pytest.approx(best, rel=1e-12)
    assert "Traceback" not in ended.err + ended.out
    assert ended.code == 1 and ended.err.splitlines()[-1] == f"error: {statuses.count('failed')} of 4 runs failed"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["hydra.launcher.workers=1", "hydra/launcher=basic"])
def test_a_trial_that_cannot_be_run_has_failed_and_one_chosen_twice_is_trained_once(shell, tiny, tmp_path, launcher):
    # eight trials of two values
    study = (
        "hydra/sweeper=optuna",
        "hydra/sweeper/sampler=random",
        "hydra.sweeper.n_trials=8",
        "hydra.sweeper.n_jobs=4",
    )
    seeded = ("hydra.sweeper.sampler.seed=0", "hydra.sweeper.direction=maximize", "segments=choice(1,0)")
    ended = shell(*tiny, *study, *seeded, launcher)
    assert ended.code == 1 and "Traceback" not in ended.err + ended.out
    assert ended.err.splitlines()[-1] == "error: 1 of 2 runs failed"
    assert "segments=0" in ended.out.splitlines()[-1]
    assert OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml").best_params == {"segments": 1}
    assert len(list((tmp_path / "sweep").glob("*/summary.json"))) == 2


@pytest.fixture
def study(tmp_path):
    """Hydra's part of a configuration whose sweep has runs with these final returns."""

    def make(direction, *final_returns):
        write_jobs(tmp_path, [])
        for number, value in enumerate(final_returns):
            (tmp_path / f"deep/{number}").mkdir(parents=True, exist_ok=True)
            write_summary(tmp_path / f"deep/{number}", {"status": "finished", "final_return": value})
        sweeper = {} if direction is None else {"direction": direction}
        return OmegaConf.create({"sweeper": sweeper, "sweep": {"dir": str(tmp_path)}})

    return make


@pytest.mark.parametrize(
    "direction, of_two, of_one",
    [("maximize", -14.0, -2.0), ("minimize", 17.5, 0.0), (["maximize"], -14.0, -2.0)],
)
def test_a_run_without_a_final_return_counts_as_worse_than_all_of_its_study(study, direction, of_two, of_one):
    one = study(direction, -1.0)  # at least 1 worse, or a trial that failed could be called the best
    assert objective(None, one) == of_one
    two = study(direction, 7.0, None, -3.5)  # a spread of 10.5
    assert objective(5.0, two) == 5.0
    assert objective(math.nan, two) == objective(None, two) == of_two


def test_before_any_run_has_finished_the_worst_is_infinite(study):
    assert objective(None, study("maximize", None)) == -math.inf
    assert objective(None, study("minimize")) == math.inf


def test_without_a_study_a_run_without_a_final_return_has_no_value(study):
    assert math.isnan(objective(None, study(None, 1.0)))
