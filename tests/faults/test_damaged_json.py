"""summary.json and jobs.json of any kind, damaged or made by a stranger: every command answers with one line."""

import io
import json
import os
import random
import shutil
from contextlib import redirect_stderr, redirect_stdout

import pytest

from rl_decay import resume
from rl_decay.compare.__main__ import main as compare
from rl_decay.config.schema import flat
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.runs import layout
from rl_decay.runs.jobs import write_jobs

VALUES = (
    None,
    True,
    -1,
    3,
    0.5,
    2**70,
    "x",
    "",
    [],
    [1],
    [{}],
    {},
    {"a": 1},
    {"a": {"b": []}},
)  # one of each JSON kind
WITHOUT = object()


def answer(command, *arguments):
    """(exit code, standard error) of a command in this process; whatever it raises ends the test."""
    err = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(err):
        code = command([str(argument) for argument in arguments])
    return code, err.getvalue()


def refused(command, *arguments):
    """The one line with which a command refuses."""
    code, err = answer(command, *arguments)
    (line,) = err.splitlines()
    assert code == 1 and line.startswith("error: ") and line.isprintable()
    return line


def changed(path, keys, value):
    """Put a value into a JSON file, at a path of keys, or take away what is there."""
    content = json.loads(path.read_text())
    owner = content
    for key in keys[:-1]:
        owner = owner[key]
    if value is WITHOUT:
        del owner[keys[-1]]
    else:
        owner[keys[-1]] = value
    path.write_text(json.dumps(content))


@pytest.fixture
def ended(whole, tmp_path):
    """A copy of a run that has finished."""
    shutil.copytree(whole, tmp_path / "ended")
    return tmp_path / "ended"


@pytest.fixture
def waiting(small, tmp_path):
    """A sweep of one job that has not begun."""
    entry = {"folder": "job0", "number": 0, "overrides": [], "config": flat(small()), "log_name": "train.log"}
    write_jobs(tmp_path / "sweep", [entry])
    return tmp_path / "sweep"


def places(content):
    """Where something stands in the summary of a run: (key,) and (config, key)."""
    return [(key,) for key in content] + [("config", key) for key in content["config"]]


def damages(content, seed, count):
    """Random wrong values at random places."""
    chosen = random.Random(seed)
    return [(chosen.choice(places(content)), chosen.choice((*VALUES, WITHOUT))) for _ in range(count)]


@pytest.mark.parametrize("count", [10, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_value_of_any_kind_anywhere_in_a_summary_ends_no_command_with_a_traceback(count, ended):
    path = ended / layout.SUMMARY
    sound = path.read_text()
    for keys, value in damages(json.loads(sound), 0, count):
        path.write_text(sound)
        changed(path, keys, value)
        for command, options in ((resume.main, ()), (compare, ("--out", ended.parent / "report"))):
            code, err = answer(command, ended, *options)
            assert code in (0, 1) and len(err.splitlines()) == code, (keys, value, err)


@pytest.mark.parametrize("key", ["status", "overrides", "segment_length", "horizon_iterations", "held_at", "device"])
@pytest.mark.parametrize("value", [WITHOUT, {"a": 1}, True], ids=["missing", "object", "true"])
def test_a_run_is_not_continued_without_what_that_needs(key, value, left, files):
    changed(left / layout.SUMMARY, (key,), value)
    before = files(left)
    line = refused(resume.main, left)
    assert str(left / layout.SUMMARY) in line and key in line
    assert files(left) == before


@pytest.mark.parametrize("entry", [{}, {"iteration": "x"}, {"iteration": 1, "horizon": "keep"}, [], None], ids=repr)
def test_a_damaged_history_is_named(entry, left):
    changed(left / layout.SUMMARY, ("resumed",), [{"iteration": 0}, entry])
    assert "resumed[1]" in refused(resume.main, left)


@pytest.mark.parametrize("value", [None, "3", [4], 2**70])
def test_a_recorded_value_of_the_configuration_is_named_with_its_file(value, left):
    changed(left / layout.SUMMARY, ("config", "algo.num_steps"), value)
    line = refused(resume.main, left)
    assert str(left / layout.SUMMARY) in line and "algo.num_steps" in line


OUTSIDE = ("..", "", ".", "/tmp/there", "x/../../y", "x/./y", "x//y", "x/", "a\0b", "a\nb", "a\x1b[31m", "a\x7f")


@pytest.mark.parametrize("folder", OUTSIDE, ids=repr)
def test_a_job_must_lie_below_its_sweep(folder, waiting, files):
    changed(waiting / layout.JOBS, (0, "folder"), folder)
    before = files(waiting.parent)
    line = refused(resume.main, waiting)
    assert str(waiting / layout.JOBS) in line and "no plain path below the sweep's" in line
    assert files(waiting.parent) == before


@pytest.mark.parametrize("name", ["../../x.log", "/x.log", "a/b.log", "", "summary.json", "a\n.log", "."], ids=repr)
def test_a_log_is_a_log_of_its_job(name, waiting):
    changed(waiting / layout.JOBS, (0, "log_name"), name)
    assert "no name of a .log file" in refused(resume.main, waiting)


def test_jobs_may_lie_deeper(waiting):
    changed(waiting / layout.JOBS, (0, "folder"), "CartPole-v1/seed0")
    assert answer(resume.main, waiting, "--workers", "1") == (0, "")
    assert json.loads((waiting / "CartPole-v1" / "seed0" / layout.SUMMARY).read_text())["status"] == "finished"


@pytest.mark.parametrize("content", [None, 3, "x", {}, [1], [None], [[]], [{}], {"folder": "x"}], ids=repr)
def test_a_list_of_jobs_of_another_kind_is_named(content, waiting):
    (waiting / layout.JOBS).write_text(json.dumps(content))
    assert str(waiting / layout.JOBS) in refused(resume.main, waiting)


class JobsTakenError(Exception):
    """The jobs were taken, and training them would come next."""


def reached(*arguments):
    raise JobsTakenError


@pytest.mark.parametrize("key", ["folder", "number", "overrides", "config", "log_name"])
def test_a_value_of_any_kind_in_a_job_ends_in_one_line(key, waiting, monkeypatch):
    monkeypatch.setattr(resume, "Sweep", reached)
    path = waiting / layout.JOBS
    sound, fitting = path.read_text(), 0
    for value in (*VALUES, WITHOUT):
        path.write_text(sound)
        changed(path, (0, key), value)
        try:
            assert str(path) in refused(resume.main, waiting)
        except JobsTakenError:
            fitting += 1
    # folder: "x"; number: -1, 3 or none; overrides: [] or none; log_name: none
    assert fitting == {"folder": 1, "number": 3, "overrides": 2, "config": 0, "log_name": 1}[key]


@pytest.mark.parametrize("key, value", [("algo.magic", 1), ("seed", "x"), ("env.num_envs", 0)])
def test_a_jobs_configuration_is_named_with_file_and_job(key, value, waiting):
    changed(waiting / layout.JOBS, (0, "config", key), value)
    line = refused(resume.main, waiting)
    assert f"{waiting / layout.JOBS}: job job0" in line and key in line


NAMES = (
    layout.METRICS_CSV,
    layout.EVALUATIONS_CSV,
    layout.CHECKPOINTS,
    layout.LOCK,
    "train.log",
    f".{layout.SUMMARY}.tmp",
)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_written_through_a_link_out_of_the_folder(name, left, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    if name == layout.CHECKPOINTS:
        shutil.move(left / name, elsewhere)
    else:
        (left / name).unlink(missing_ok=True)
        elsewhere.write_text("somebody's")
    os.symlink(elsewhere, left / name)
    assert "link" in refused(resume.main, left)
    assert name == layout.CHECKPOINTS or elsewhere.read_text() == "somebody's"


def test_a_job_that_is_a_link_out_of_its_sweep_is_refused(left, waiting):
    os.symlink(left, waiting / "job0")
    assert f"{waiting / 'job0'}: a link that leads out of its folder" in refused(resume.main, waiting)


def test_names_of_any_bytes_are_shown_and_never_obeyed(left, tmp_path):
    folder = os.fsencode(tmp_path) + b"/a\n\x1b[31m\xff run"
    os.rename(left, folder)
    out = io.StringIO()
    with redirect_stdout(out):
        assert resume.main([os.fsdecode(folder)]) == 0
        assert compare([os.fsdecode(folder)]) == 0
    shown = out.getvalue()
    assert "\x1b" not in shown and r"a\n\x1b[31m\udcff run" in shown
    out.getvalue().encode()
    assert rf"tensorboard --logdir $'{tmp_path}/a\n\x1b[31m\xff run'" in shown
    report = os.fsencode(folder) + b"/report"
    for name in os.listdir(report):
        if name.endswith((b".html", b".md", b".csv")):
            with open(os.path.join(report, name), encoding="utf-8") as file:
                assert "\x1b" not in file.read(), name
    assert r"\n\x1b[31m\udcff run: no such folder" in refused(resume.main, os.fsdecode(folder.replace(b"/a", b"/b")))
    assert evaluate.main([os.fsdecode(folder)]) == 0


def test_a_list_of_jobs_whose_folder_is_a_file_is_one_line(waiting):
    changed(waiting / layout.JOBS, [0, "folder"], layout.JOBS)
    assert refused(resume.main, waiting).startswith(f"error: {waiting / layout.JOBS}")


def test_the_way_out_of_a_damaged_list_of_jobs_works(whole, waiting):
    shutil.copytree(whole, waiting / "job0")
    (waiting / layout.JOBS).write_text("[[[")
    assert "; move it away to continue the runs that have begun" in refused(resume.main, waiting)
    (waiting / layout.JOBS).unlink()
    assert answer(resume.main, waiting, "--workers", "1") == (0, "")
