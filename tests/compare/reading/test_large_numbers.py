"""Work and memory grow with the number of runs, never with the size of a number in them."""

import csv
import json

import pytest

from rl_decay.compare.__main__ import main
from rl_decay.compare.analysis import arms
from rl_decay.compare.figures import plots
from rl_decay.compare.reading.own import load
from rl_decay.compare.report import provenance
from rl_decay.runs import layout

# 2^53 is the last whole number before which a float64 skips none, 2^63 - 1 the largest int64.
SEEDS = [1, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Reports without figures, which take a second each."""
    monkeypatch.setattr(plots, "available", lambda: False)


def test_a_report_keeps_every_digit_of_random_seeds(make_run, tmp_path):
    for curve in ("none", "linear"):
        for seed in SEEDS:
            make_run(tmp_path / "sweep" / f"{curve}{seed}", curves=(curve, curve), seed=seed)
    assert main([str(tmp_path / "sweep")]) == 0
    rows = list(csv.DictReader((tmp_path / "sweep/report/runs.csv").read_text().splitlines()))
    assert sorted(int(row["seed"]) for row in rows) == sorted(SEEDS * 2)
    report = (tmp_path / "sweep/report/report.md").read_text()
    listed = ",".join(map(str, SEEDS))
    for curve in ("none", "linear"):
        words = f"schedule/actor={curve} schedule/critic={curve}"
        assert f"python train.py -m {words} seed={listed}\n" in report
    assert "in all 6 pairs" in report  # each seed found its partner: none was rounded to another


@pytest.mark.parametrize(
    "seeds, word",
    [
        ([2**63 - 1, 2**63, 2**63 + 1], "'seed=range(9223372036854775807,9223372036854775810)'"),
        ([2**63 - 1, 2**63 + 1], "seed=9223372036854775807,9223372036854775809"),
        ([1, 1_000_000_007], "seed=1,1000000007"),
    ],
)
def test_the_command_for_distant_seeds_lists_them(make_run, tmp_path, seeds, word):
    for seed in seeds:
        make_run(tmp_path / str(seed), seed=seed, overrides=[f"seed={seed}"])
    grouped, _ = arms.group(load([tmp_path]).runs, by=(), across_tasks=False)
    assert provenance.commands(grouped) == (f"python train.py -m {word}",)


def test_runs_of_a_quintillion_steps(make_run, tmp_path):
    """100 iterations of 10^16 env steps: beyond 2^53, but whole and increasing in float64."""
    folder, factor = make_run(tmp_path / "long"), 10**14
    for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV):
        head, *rows = (folder / name).read_text().splitlines()
        longer = [f"{int(float(step)) * factor},{rest}" for step, _, rest in (row.partition(",") for row in rows)]
        (folder / name).write_text("\n".join([head, *longer, ""]))
    change_config(folder, {"algo.num_steps": 25 * factor, "total_steps": 10**18})
    (run,) = load([folder]).runs
    assert run.total_steps == 10**18 and run.steps[-1] == 1e18
    (usual,) = load([make_run(tmp_path / "usual")]).runs
    for name, value in usual.metrics.items():
        scaled = value * factor if name == "steps_to_0.8" else value
        assert run.metrics[name] == pytest.approx(scaled, rel=1e-9, nan_ok=True), name


def test_a_number_that_no_float_holds_is_a_damaged_summary(make_run, tmp_path):
    folder = make_run(tmp_path / "run")
    change_config(folder, {"total_steps": 10**400})
    (line,) = load([folder]).skipped
    assert str(folder / layout.SUMMARY) in line and len(line) < 400


def change_config(folder, changes):
    path = folder / layout.SUMMARY
    summary = json.loads(path.read_text())
    summary["config"] |= changes
    path.write_text(json.dumps(summary))
