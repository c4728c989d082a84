"""What is refused before any job starts, in one line."""

import pytest
from variants import every

from rl_decay.hydra_app.compose import one_line


def untouched(folder):
    return not [path for path in folder.glob("sweep/*/") if path.is_dir()]


@pytest.mark.parametrize(
    "words, said",
    every(
        3,
        [
            (("seed=1,2", "hydra.sweep.subdir=same"), ("jobs 0", "and 1", "same folder", "seed=1", "seed=2")),
            (("seed=3,3",), ("jobs 0", "and 1", "same folder")),
            (("seed=0", "actor.lr=1e-3,-1"), ("job 1", "actor.lr=-1")),
            (("seed=0,1", "algo.minibatches=2,5"), ("job 2", "algo.minibatches=5")),
            (("+schedule.foo=1,2",), ("job 0", "schedule.foo")),
            (("schedule/actor=linear,none", "schedule.actor.final=0.1"), ("job 1", "schedule.actor.final=0.1")),
            (("seed=0,1", "hydra.launcher.worker=2"), ("worker",)),
            (("seed=0,1", "hydra/launcher=populations"), ("hydra/launcher", "populations")),
            (("schedule=none,cosine",), ("schedule",)),
        ],
    ),
    ids=lambda value: value[-1] if isinstance(value[0], str) else None,
)
def test_nothing_starts(train_py, tiny, tmp_path, words, said):
    train_py(*tiny, *words).refused(*said)
    assert untouched(tmp_path)


@pytest.mark.parametrize(
    "option", every(3, ["workers=0", "workers=two", "workers=1.5", "max_members=0", "max_members=-2"])
)
def test_a_launcher_option_without_sense_is_named(train_py, tiny, tmp_path, option):
    train_py(*tiny, "seed=0,1", f"hydra.launcher.{option}").refused(option)
    assert untouched(tmp_path)


@pytest.mark.thorough
def test_fewer_than_no_workers_are_refused_too(started, tiny, tmp_path):
    process = started(*tiny, "seed=0,1", "hydra.launcher.workers=-1")
    _, err = process.communicate(timeout=600)  # a process of its own, because with no worker it might never end
    assert (process.returncode, len(err.splitlines())) == (1, 1), err
    assert "workers=-1" in err
    assert untouched(tmp_path)


def test_a_sweep_folder_with_runs_is_left_alone(train_py, tiny, tmp_path):
    (tmp_path / "sweep" / "old").mkdir(parents=True)
    (tmp_path / "sweep" / "old" / "summary.json").write_text("{}")
    train_py(*tiny, "seed=0,1").refused("sweep", "holds runs already")
    assert [p.name for p in (tmp_path / "sweep").iterdir()] == ["old"]


def test_a_job_folder_with_a_run_is_left_alone(train_py, tiny, tmp_path):
    old = tmp_path / "sweep" / "group" / "b"  # deeper than the check of the sweep's folder looks
    old.mkdir(parents=True)
    (old / "summary.json").write_text("{}")
    names = "hydra.sweep.subdir='group/${env.kwargs.name}'"
    train_py(*tiny, "+env.kwargs.name=a,b", names).refused("job 1", "holds a run already")
    assert [p.name for p in (tmp_path / "sweep" / "group").iterdir()] == ["b"]
    assert [p.name for p in old.iterdir()] == ["summary.json"]


@pytest.mark.parametrize("option", ["hydra/launcher/joblib", "hydra/sweeper/optuna"])
def test_a_missing_extra_names_the_command(option):
    text = f"In 'config': Could not find '{option}'\n\nAvailable options in 'x':\n\tbasic\nConfig search path:\n\ty"
    assert one_line(text) == f"{option} needs the extra `sweep`: pip install -c constraints.txt -e '.[sweep]'"
