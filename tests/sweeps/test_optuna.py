"""Optuna hands its batches to the launcher: the trials of one batch are one population."""

import pytest
from omegaconf import OmegaConf


def test_tuning(shell, tiny, tmp_path, summaries):
    ended = shell(
        *tiny, "experiment=tune", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "hydra.launcher.workers=1"
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
