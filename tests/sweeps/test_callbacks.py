"""Hydra's callbacks around the jobs of a population."""

import json

import pytest
from variants import thorough


@pytest.mark.parametrize("launcher", [thorough("basic"), "population"])
def test_callbacks_fire_once_per_job(breaking, train_py, tiny, tmp_path, summaries, launcher):
    count = ("hydra.launcher.workers=1",) if launcher == "population" else ()
    recorder = "+hydra.callbacks.recorder._target_=sweep_tasks.Recorder"
    ended = train_py(*tiny, "seed=5,3", f"hydra/launcher={launcher}", recorder, *count)
    assert (ended.code, ended.err) == (0, "")
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    by_seed = {said["seed"]: (name, said["final_return"]) for name, said in summaries(tmp_path / "sweep").items()}
    folders = {seed: str(tmp_path / "sweep" / name) for seed, (name, _) in by_seed.items()}
    assert sorted(c for c in calls if c[0] == "start") == [
        ["start", number, seed, folders[seed], "main"] for number, seed in enumerate((5, 3))
    ]
    assert sorted(c for c in calls if c[0] == "end") == [
        ["end", number, seed, by_seed[seed][1], [seed, "COMPLETED"]] for number, seed in enumerate((5, 3))
    ]
    assert calls[-1] == ["multirun_end"] and len(calls) == 5
    assert calls.index(["start", 1, 3, folders[3], "main"]) < next(
        i for i, c in enumerate(calls) if c[:2] == ["end", 1]
    )
