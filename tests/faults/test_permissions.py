"""What may not be opened is named with the reason, and no advice is given that would lose it.

Permissions mean nothing to root, so that a test of root's works as another user while the command runs.
"""

import contextlib
import io
import os
import shutil
import tempfile
from pathlib import Path

import hydra
import pytest
from variants import every, thorough

from rl_decay import resume
from rl_decay.compare.__main__ import main as compare
from rl_decay.config.schema import flat
from rl_decay.evaluate import __main__ as evaluate
from rl_decay.runs import layout
from rl_decay.runs.jobs import write_jobs

NOBODY = 65534
AS_ROOT = os.geteuid() == 0
TRAIN = Path(__file__).parents[2] / "train.py"
LATEST = f"run/{layout.CHECKPOINTS}/{layout.LATEST}"


@contextlib.contextmanager
def another_user():
    """Be nobody, if this is root. What a command imports must have been imported before: nobody may not read it."""
    if AS_ROOT:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if AS_ROOT:
            os.seteuid(0)
            os.setegid(0)


def given_away(folder):
    """Let everybody do everything in a folder."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


@pytest.fixture(scope="module")
def prototype(small, stopped):
    """A folder that everybody may enter, with an unfinished run and a sweep; every command has run once."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o777)
    stopped(base / "original" / "run", small(checkpoint__every=1), 4)
    sweep = base / "original" / "sweep"
    shutil.copytree(base / "original" / "run", sweep / "job0")
    shared = {"number": 0, "overrides": [], "log_name": "train.log"}
    jobs = [shared | {"folder": f"job{n}", "config": flat(small(checkpoint__every=1, seed=n))} for n in (0, 1)]
    write_jobs(sweep, jobs)
    warm = shutil.copytree(base / "original", base / "warm")
    with contextlib.redirect_stdout(io.StringIO()):
        for command in (evaluates, resumes, resumes_a_sweep):
            assert command(warm) == 0
        assert compare([str(warm), "--out", str(base / "report")]) == 0
    yield base
    shutil.rmtree(base)


@pytest.fixture
def place(prototype):
    """A copy of the run and the sweep that everybody may change."""
    folder = Path(tempfile.mkdtemp(dir=prototype))
    shutil.copytree(prototype / "original", folder, dirs_exist_ok=True)
    given_away(folder)
    yield folder
    for path in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        path.chmod(0o777)


def evaluates(place):
    return evaluate.main([str(place / "run")])


def resumes(place):
    return resume.main([str(place / "run")])


def resumes_a_sweep(place):
    return resume.main([str(place / "sweep"), "--workers", "1"])


def compares(place):
    return compare([str(place / "run"), "--out", str(place.parent / "report")])


def locked(path, mode):
    """Take a file or folder away from everybody but root."""
    path.chmod(mode)
    if AS_ROOT:
        os.chown(path, 0, 0)


def said(command, place):
    """The one line of a command that another user starts; a sweep adds how many runs failed."""
    out, err = io.StringIO(), io.StringIO()
    with another_user(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command(place)
    line, *more = err.getvalue().splitlines()
    assert code == 1 and more in ([], ["error: 1 of 2 runs failed"]), err.getvalue()
    assert "delete" not in line and "anew" not in line
    return line


@pytest.fixture
def readable():
    """Skip where another user may not read what train.py reads anew every time: the configuration, ours and Hydra's."""
    with another_user():
        for root in (Path(hydra.__file__).parent / "conf", TRAIN.parent / "conf"):
            if not os.access(root, os.R_OK | os.X_OK, effective_ids=True):
                pytest.skip(f"only its owner may read {root}")


CLOSED, LISTED, READ_ONLY = 0o000, 0o444, 0o555
CASES = [
    *((command, "run", mode) for command in (evaluates, resumes, compares) for mode in (CLOSED, LISTED)),
    *((command, ".", mode) for command in (evaluates, resumes, resumes_a_sweep, compares) for mode in (CLOSED, LISTED)),
    *((command, f"run/{layout.CHECKPOINTS}", mode) for command in (evaluates, resumes) for mode in (CLOSED, LISTED)),
    *((command, LATEST, CLOSED) for command in (evaluates, resumes)),
    *((command, f"run/{layout.SUMMARY}", CLOSED) for command in (resumes, compares)),
    *((resumes, f"run/{name}", CLOSED) for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV, layout.LOCK)),
    *(
        (resumes, f"run/{name}", LISTED) for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV)
    ),  # read, but not written
    (resumes, "run", READ_ONLY),
    *((resumes_a_sweep, "sweep", mode) for mode in (CLOSED, LISTED)),
    *((resumes_a_sweep, "sweep/job0", mode) for mode in (CLOSED, LISTED)),
    *((resumes_a_sweep, f"sweep/{name}", CLOSED) for name in (layout.JOBS, f"job0/{layout.SUMMARY}")),
    (resumes_a_sweep, f"sweep/job0/{layout.CHECKPOINTS}", CLOSED),
]


def name(case):
    return case.__name__ if callable(case) else oct(case) if isinstance(case, int) else case


@pytest.mark.parametrize(("command", "what", "mode"), every(4, CASES, ["-".join(map(name, case)) for case in CASES]))
def test_what_may_not_be_opened_is_named_with_the_reason_and_nothing_is_lost(command, what, mode, place, files):
    before = files(place / "run")
    path = place / what
    locked(path, mode)
    line = said(command, place)
    assert "Permission denied" in line and str(path.parent if path.suffix else path) in line
    path.chmod(0o777)
    kept = {file: data for file, data in before.items() if file != layout.SUMMARY}  # it may say why the run failed
    after = files(place / "run")
    assert {file: after.get(file) for file in kept} == kept
    if mode == CLOSED and command is resumes:
        given_away(place)
        assert command(place) == 0


@pytest.mark.parametrize("mode", [CLOSED, thorough(LISTED)])
def test_train_py_names_a_folder_that_it_may_not_look_into(mode, place, words, train_in, readable):
    locked(place / "run", mode)
    typed = [*words(checkpoint__every=1), f"hydra.run.dir={place}/run"]
    with another_user():
        ended = [train_in(place.parent, *typed, *more) for more in ([], ["resume=auto"])]
    for each in ended:
        each.refused(str(place / "run"), "Permission denied")
    locked(place / "sweep" / "job0", mode)
    with another_user():
        ended = train_in(place.parent, "-m", *words(), f"hydra.sweep.dir={place}/sweep")
    ended.refused(str(place / "sweep" / "job0"), "Permission denied")


def test_a_branch_names_a_checkpoint_that_it_may_not_open(place, words, train_in, readable):
    locked(place / LATEST, CLOSED)
    with another_user():
        ended = train_in(place, *words(), f"init_from={place / LATEST}", f"hydra.run.dir={place}/branch")
    ended.refused(f"init_from={place / LATEST}", "Permission denied")


def test_a_comparison_lists_what_it_could_not_look_into_and_compares_the_rest(place):
    resumes(place)
    for closed in ("job1", "job2"):
        shutil.copytree(place / "sweep" / "job0", place / "sweep" / closed, dirs_exist_ok=True)
        locked(place / "sweep" / closed, CLOSED)
    out = io.StringIO()
    with another_user(), contextlib.redirect_stdout(out):
        assert compare([str(place), "--out", str(place / "report")]) == 0
    for closed in ("job1", "job2"):
        assert f"skipped: {place}/sweep/{closed}: cannot be listed (Permission denied)" in out.getvalue()
