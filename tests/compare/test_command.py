import contextlib
import dataclasses
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rl_decay.compare
from rl_decay.compare.__main__ import main
from rl_decay.compare.analysis import arms
from rl_decay.compare.figures import plots
from rl_decay.compare.reading.own import load
from rl_decay.compare.report import provenance
from rl_decay.errors import UserError
from rl_decay.runs import layout

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Reports without figures, which take a second each."""
    monkeypatch.setattr(plots, "available", lambda: False)
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def compare():
    """Run the command line in this process: compare(*arguments) -> (exit code, output, errors)."""

    def run(*arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
        return code, out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def refused(compare):
    """The one line of error of a command that ends with exit code 1."""

    def run(*arguments):
        code, out, err = compare(*arguments)
        assert code == 1 and out == "" and err.startswith("error: ") and err.count("\n") == 1, (code, out, err)
        return err

    return run


def test_a_sweep(compare, make_sweep, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", seeds=6)
    code, out, err = compare(sweep)
    assert (code, err) == (0, "")
    for words in ("CartPole-v1", "schedule=linear", "schedule=none (baseline)", "osc_late (score)", "final (score)"):
        assert words in out
    assert out.splitlines()[-1] == f"report: {sweep / 'report' / 'report.md'}"
    assert compare(sweep) == (0, out, "")  # the report is no run, and every number comes back


def test_run_for_the_end_of_a_sweep(make_sweep, tmp_path, capsys):
    sweep = make_sweep(tmp_path / "sweep", seeds=2)
    options = rl_decay.compare.Options(baseline="schedule=linear")
    comparison = rl_decay.compare.run([sweep], tmp_path / "out", options)
    assert comparison.baseline == "schedule=linear"
    assert f"report: {tmp_path / 'out' / 'report.md'}" in capsys.readouterr().out and (tmp_path / "out").is_dir()
    with pytest.raises(UserError):
        rl_decay.compare.run([tmp_path / "nowhere"])


def test_where_the_report_goes_and_what_it_says_of_itself(compare, make_sweep, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", seeds=2)
    assert compare(sweep, "--out", tmp_path / "a b")[0] == 0
    texts = [path.read_text() for path in (tmp_path / "a b").iterdir() if path.suffix == ".md"]
    assert any(f"python -m rl_decay.compare {sweep} --out '{tmp_path / 'a b'}'" in text for text in texts)
    assert not (sweep / "report").exists()


def test_by_and_baseline(compare, make_run, tmp_path):
    for i, (curve, lr) in enumerate((c, lr) for c in ("none", "linear") for lr in (0.1, 0.2)):
        make_run(tmp_path / f"{i}", curves=(curve, curve), actor__lr=lr, seed=i)
    code, out, _ = compare(tmp_path, "--by", "schedule", "--baseline", "schedule=linear")
    assert code == 0 and "schedule=linear (baseline)" in out and "differ in actor.lr" in out
    code, out, _ = compare(tmp_path, "--by", "schedule, actor.lr")
    assert code == 0 and "schedule=none actor.lr=0.1 (baseline)" in out


def test_what_is_not_compared_is_said(compare, make_run, make_sweep, tmp_path):
    make_sweep(tmp_path / "sweep", seeds=3)
    make_run(tmp_path / "sweep" / "stopped", scores=[0.1], grid=4, status="running")
    bad = make_run(tmp_path / "sweep" / "bad", seed=7)
    (bad / layout.EVALUATIONS_CSV).write_text("nothing\n")
    code, out, _ = compare(tmp_path / "sweep")
    assert code == 0
    assert f"not compared: {tmp_path / 'sweep' / 'stopped'}: killed at 25%, " in out
    assert f"skipped: {bad / layout.EVALUATIONS_CSV}: damaged" in out
    assert "3 pairs" in out  # and what they allow


def test_one_seed_and_one_arm(compare, make_run, tmp_path):
    make_run(tmp_path / "run")
    code, out, _ = compare(tmp_path / "run")
    assert code == 0 and "one seed" in out and "only arm" in out and "[0" not in out


@pytest.mark.parametrize("points", [(1, 2), (2, 3)])
def test_runs_that_were_evaluated_once_or_twice(compare, make_run, tmp_path, points):
    """All curves end together, so that a curve of one point has one in common with any other."""
    for seed, count in enumerate(points):
        for curve in ("none", "linear"):
            make_run(tmp_path / f"{curve}{seed}", curves=(curve, curve), seed=seed, scores=[0.5] * count)
    code, out, _ = compare(tmp_path)
    assert code == 0 and "schedule=linear" in out


def test_a_diverged_run_counts(compare, make_run, make_sweep, tmp_path):
    make_sweep(tmp_path / "sweep", seeds=3)
    make_run(tmp_path / "sweep" / "lost", seed=3, scores=[], status="diverged", reason="NaN")
    code, out, _ = compare(tmp_path / "sweep")
    assert code == 0 and "1 of 4 runs diverged" in out


def test_the_commands_that_make_the_runs_again(make_run, tmp_path):
    for seed in (0, 1, 2):
        make_run(tmp_path / f"a{seed}", seed=seed, overrides=["schedule=none", "net.hidden=[8, 8]", f"seed={seed}"])
    for seed in (1, 5):
        make_run(tmp_path / f"b{seed}", seed=seed, overrides=["seed=9"], curves=("linear", "linear"))
    make_run(tmp_path / "c", overrides=["algo.clip=0.1"], algo__clip=0.1, env__preset="cartpole")
    make_run(tmp_path / "d", overrides=[], algo__clip=0.3, env__preset="cartpole")
    make_run(tmp_path / "e", overrides=[], algo__clip=0.4)
    grouped, _ = arms.group(load([tmp_path]).runs, by=(), across_tasks=False)
    assert sorted(provenance.commands(grouped)) == [
        "python train.py -m schedule=none 'net.hidden=[8, 8]' 'seed=range(0,3)'",
        "python train.py -m seed=1,5",
        "python train.py algo.clip=0.1 seed=0",
        "python train.py seed=0",
        "rl_decay.train(...) from Python: schedule=none algo.clip=0.4, seed 0",
    ]


def test_versions_that_differ_are_said(make_run, tmp_path):
    first, second = load([make_run(tmp_path / name, seed=i) for i, name in enumerate("ab")]).runs
    second = dataclasses.replace(second, versions=dict(first.versions) | {"torch": "1.0", "numpy": None})
    torch, numpy = first.versions["torch"], first.versions["numpy"]
    found = provenance.versions([first, second])
    assert found["torch"] == f"1.0, {torch}" and found["numpy"] == f"{numpy}, not installed"
    assert provenance.notes([first, second]) == [
        f"the runs were made with different versions: torch {found['torch']}; numpy {found['numpy']}"
    ]


def test_across_tasks(compare, refused, make_sweep, tmp_path):
    make_sweep(tmp_path / "one", seeds=2)
    make_sweep(tmp_path / "two", seeds=2, env__id="Acrobot-v1", total_steps=20_000)
    assert "env.id differs: CartPole-v1" in refused(tmp_path)
    code, out, _ = compare(tmp_path, "--across-tasks")
    assert code == 0 and "Acrobot-v1, CartPole-v1" in out


def test_runs_of_another_program(compare, refused, make_run, tmp_path):
    for seed in (1, 2):
        make_run(tmp_path / f"own{seed}", seed=seed)
        (tmp_path / f"CartPole-v1__ppo__{seed}__1").mkdir()
        (tmp_path / f"CartPole-v1__ppo__{seed}__1" / "events.out.tfevents.1.host").write_bytes(b"damaged")
    code, out, _ = compare(tmp_path, "--from", "cleanrl")
    assert code == 0 and out.count("skipped: ") == 2 and "osc_late (score)" not in out
    assert "cleanrl" not in refused(tmp_path / "CartPole-v1__ppo__1__1")


def test_mistakes_are_one_line(refused, make_run, make_sweep, tmp_path):
    sweep, empty = make_sweep(tmp_path / "sweep", seeds=2), tmp_path / "empty"
    empty.mkdir()
    make_run(tmp_path / "half" / "run", scores=[0.1], grid=2, status="interrupted")
    (tmp_path / "file").write_text("")
    assert "nowhere: no such folder" in refused(tmp_path / "nowhere")
    assert "file: no such folder" in refused(tmp_path / "file")
    assert "empty: no runs there" in refused(empty)
    assert "run: interrupted at 50%" in refused(tmp_path / "half")
    assert "--by lrs" in refused(sweep, "--by", "lrs")
    assert "the arms are 'schedule=linear', 'schedule=none'" in refused(sweep, "--baseline", "none")
    assert "--out" in refused(sweep, "--out", tmp_path / "file")


def test_usage(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    for option in ("--by", "--baseline", "--out", "--from", "--task", "--across-tasks"):
        assert option in out
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2


def test_nothing_heavy_is_imported(make_sweep, tmp_path):
    sweep = make_sweep(tmp_path / "sweep", seeds=1)
    code = (
        "import sys, rl_decay.compare.__main__ as m; before = set(sys.modules); "
        f"assert m.main([{str(sweep)!r}]) == 0; "
        "found = [n for n in ('torch', 'hydra', 'omegaconf', 'tensorflow', 'gymnasium') if n in sys.modules]; "
        "assert not found, found; assert 'matplotlib' not in before"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_options_for_other_peoples_runs_need_some(refused, make_sweep, tmp_path):
    make_sweep(tmp_path)
    line = refused(tmp_path, "--from", "sb3")
    assert "--from sb3" in line and "leave --from out" in line
    assert "--task CartPole-v1" in refused(tmp_path, "--task", "CartPole-v1")
    assert "--out is empty" in refused(tmp_path, "--out", "")
