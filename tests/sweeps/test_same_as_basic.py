"""Whatever launcher trains it, and with whomever: a job leaves the same bits."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from variants import keeping

from rl_decay.evaluate import __main__ as evaluate

SIX = ("schedule=none,linear", "seed=range(0,3)")
BASIC = "hydra/launcher=basic"
LAUNCHERS = {
    "one worker": ("hydra.launcher.workers=1",),
    "two workers": ("hydra.launcher.workers=2",),
    "at most two members": ("hydra.launcher.workers=1", "hydra.launcher.max_members=2"),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
}


def jobs(sweep: Path):
    return {path.name: path for path in sorted(sweep.glob("*/"))}


def same(differences, one, other):
    assert jobs(one).keys() == jobs(other).keys()
    for name, folder in jobs(one).items():
        assert differences(folder, jobs(other)[name]) == [], name


@pytest.fixture(scope="module")
def basic(train_in, tiny, tmp_path_factory):
    """The folder of six jobs that Hydra ran one after another."""
    folder = tmp_path_factory.mktemp("basic")
    ended = train_in(folder, *tiny, *SIX, BASIC)
    assert (ended.code, ended.err) == (0, "")
    return folder / "sweep"


@pytest.fixture(scope="module")
def alone(train_in, tiny, tmp_path_factory):
    """The same six jobs as one population inside the launcher: how it ended, and its folder."""
    folder = tmp_path_factory.mktemp("population")
    return train_in(folder, *tiny, *SIX, "hydra.launcher.workers=1"), folder / "sweep"


@pytest.fixture(scope="module", params=keeping(["one worker"], {name: [*words] for name, words in LAUNCHERS.items()}))
def sweep(request, train_in, tiny, tmp_path_factory, alone):
    """The same six jobs by another launcher."""
    if request.param == [*LAUNCHERS["one worker"]]:
        return alone[1]
    folder = tmp_path_factory.mktemp("other")
    ended = train_in(folder, *tiny, *SIX, *request.param)
    if "joblib" in request.param[0]:
        from joblib.externals.loky import get_reusable_executor

        get_reusable_executor().shutdown(wait=True)
    assert (ended.code, ended.err) == (0, "")
    return folder / "sweep"


def test_six_jobs_are_the_same_to_the_bit(basic, sweep, differences):
    assert len(jobs(basic)) == 6
    same(differences, basic, sweep)


def test_the_jobs_differ_from_each_other(basic, differences):
    folders = list(jobs(basic).values())
    for one, other in pairwise(folders):
        assert any(name.startswith("latest.pt/agent") for name in differences(one, other))


def test_the_populations_are_printed_and_how_to_look_at_the_runs(alone):
    ended, _ = alone
    assert (ended.code, ended.err) == (0, "")
    assert "6 jobs in 1 population(s), 1 worker(s)" in ended.out
    assert "0..5" in ended.out and "MB" in ended.out
    assert ended.out.splitlines()[-2:] == ["look at it: tensorboard --logdir sweep", "6 runs: 6 finished"]


def test_each_job_has_a_whole_run_folder(sweep):
    for folder in jobs(sweep).values():
        assert {p.name for p in (folder / ".hydra").iterdir()} == {"config.yaml", "hydra.yaml", "overrides.yaml"}
        assert len(list(folder.glob("events.out.tfevents.*"))) == 1
        assert {p.name for p in (folder / "checkpoints").iterdir()} == {"latest.pt", "best.pt"}
        lines = (folder / "train.log").read_text().splitlines()
        assert sum("iteration 3/3" in line for line in lines) == 1, "its own lines, and nobody else's"


def test_hydras_record_says_what_ran(sweep):
    for name, folder in jobs(sweep).items():
        said = json.loads((folder / "summary.json").read_text())
        composed = OmegaConf.load(folder / ".hydra" / "config.yaml")
        assert "hydra" not in composed
        assert (composed.seed, composed.schedule.actor.curve) == (said["seed"], name.partition("-")[0])
        overrides = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
        assert overrides == said["overrides"] and f"seed={said['seed']}" in overrides
        hydra = OmegaConf.load(folder / ".hydra" / "hydra.yaml").hydra
        assert Path(hydra.runtime.output_dir) == folder
        assert (
            hydra.job.num in range(6) and hydra.job.name == "train" and f"seed={said['seed']}" in hydra.overrides.task
        )


def test_the_record_alone_runs_the_job_again(alone, train_in, tmp_path, differences):
    folder = next(iter(jobs(alone[1]).values()))
    again = ("--config-path", str(folder / ".hydra"), "--config-name", "config", "hydra.run.dir=again")
    assert train_in(tmp_path, *again).code == 0
    unlike = differences(folder, tmp_path / "again")
    assert set(unlike) <= {"overrides.yaml", "summary.json/overrides"}


def test_a_checkpoint_replays(alone, capsys):
    for folder in list(jobs(alone[1]).values())[::5]:
        for name in ("latest", "best"):
            assert evaluate.main([str(folder), "--episodes", "1", "--checkpoint", name]) == 0
    assert "CartPole-v1" in capsys.readouterr().out


@pytest.mark.thorough
def test_continuous_actions_normalised_with_swept_kl_and_gamma(train_py, tiny, tmp_path, differences):
    task = (*tiny, "env=pendulum", "normalize.obs=true", "normalize.reward=true", "algo.epochs=3")
    swept = ("algo.target_kl=1e-4,null", "algo.gamma=0.9,0.99")
    for name, launcher in (("basic", (BASIC,)), ("population", ("hydra.launcher.workers=1",))):
        ended = train_py(*task, *swept, *launcher, f"hydra.sweep.dir={name}")
        assert (ended.code, ended.err) == (0, "")
    assert len(jobs(tmp_path / "basic")) == 4
    same(differences, tmp_path / "basic", tmp_path / "population")
