"""Whatever a person types at Hydra's own keys and flags is answered in one line, and leaves nothing behind."""

import random
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from variants import every

from rl_decay.hydra_app.compose import register

CONF = Path(__file__).parents[2] / "conf"
LONG_NAME = "x" * 300  # most file systems take 255 bytes

REFUSED = [
    # sweeps without a job, or with more than there can be
    (["-m", "seed=range(0,0)"], ["seed=range(0,0)", "no job"]),
    (["-m", "seed=range(5,1)"], ["seed=range(5,1)", "no job"]),
    (["-m", "actor.lr=range(0.2,0.1,0.1)"], ["actor.lr=range(0.2,0.1,0.1)", "no job"]),
    (["-m", "seed=glob(x*)"], ["seed=glob(x*)", "no job"]),
    (["-m", "seed=range(0,1,0)"], ["seed=range(0,1,0)", "step 0"]),
    (["-m", "seed=range(0,1000000001)"], ["1,000,000,001 jobs"]),
    (["-m", "hydra/sweeper=basic", "seed=range(0,0)"], ["no job"]),
    # the sweeper, the launcher, and their options
    (["-m", "seed=0,1", "hydra.sweeper.max_batch_size=0"], ["hydra.sweeper.max_batch_size=0", "at least 1"]),
    (["-m", "seed=0,1", "hydra.sweeper.max_batch_size=-1"], ["hydra.sweeper.max_batch_size=-1"]),
    (["-m", "hydra.launcher=null"], ["hydra.launcher=null"]),
    (["-m", "hydra.sweeper=null"], ["hydra.sweeper=null"]),
    (["-m", "hydra.launcher._target_=nope.Nope"], ["nope.Nope"]),
    (["-m", "hydra.sweeper._target_=os.getcwd"], ["os.getcwd"]),
    (["-m", "hydra.sweep.subdir=${nope}"], ["hydra.sweep.subdir", "nope"]),
    (["-m", "hydra.sweep.dir=${nope}"], ["hydra.sweep.dir", "nope"]),
    (["-m", "hydra.job.name=a/b"], ["hydra.job.name=a/b"]),
    (["-m", f"hydra.sweep.dir={LONG_NAME}"], ["hydra.sweep.dir", "name too long"]),
    (["-m", f"hydra.sweep.subdir={LONG_NAME}"], [LONG_NAME, "name too long"]),
    # Hydra's own words, which name no key
    (["net=null"], ["net=null"]),
    (["=3"], ["what was typed: =3"]),
    (["-m", "seed=range(0,inf)"], ["seed=range(0,inf)"]),
    (["-m", "seed=0,1", "hydra.sweeper.params=3"], ["hydra.sweeper.params=3"]),
    (["-m", "seed=interval(0,1)"], ["seed=interval(0,1)"]),
    (["hydra.job_logging.version=9"], ["hydra.job_logging.version=9"]),
    # names of files and folders, and Hydra's own machinery
    (["hydra.run.dir="], ["hydra.run.dir is empty"]),
    (["-m", "seed=0,1", "hydra.sweep.dir="], ["hydra.sweep.dir is empty"]),
    (["hydra.job.name=a/b"], ["hydra.job.name=a/b"]),
    (["hydra.output_subdir=../x"], ["hydra.output_subdir=../x"]),
    (["hydra.output_subdir=/x"], ["hydra.output_subdir=/x"]),
    (["hydra.output_subdir=checkpoints"], ["hydra.output_subdir=checkpoints", "own files"]),
    (["-m", "hydra.output_subdir=./metrics.csv/x"], ["hydra.output_subdir=", "own files"]),
    ([f"hydra.run.dir={LONG_NAME}"], ["hydra.run.dir", "name too long"]),
    (["hydra.run.dir=${hydra.run.dir}"], ["hydra.run.dir", "Recursive"]),
    (["hydra.callbacks.run_guard=null"], ["Callback", "on_run_start"]),
    (["hydra.searchpath=[nope]"], ["hydra.searchpath", "nope"]),
    (["hydra.verbose=3"], ["verbose"]),
    (["hydra.job.env_copy=[NOPE_NOPE]"], ["NOPE_NOPE"]),
    (["hydra.job_logging.version=7"], ["version: 7"]),
    (["hydra.job_logging.handlers.file.class=nope.Nope"], ["nope.Nope"]),
    # interpolations that lead nowhere
    (["actor.lr=${oc.env:NOPE_NOPE}"], ["actor.lr=${oc.env:NOPE_NOPE}", "variable NOPE_NOPE is not set"]),
    (["net.hidden=[16,${oc.env:NOPE_NOPE}]"], ["net.hidden.1=", "variable NOPE_NOPE is not set"]),
    (["+env.kwargs.x=${oc.env:NOPE_NOPE}"], ["env.kwargs.x=", "variable NOPE_NOPE is not set"]),
    (["actor.lr=${actor.lr}"], ["actor.lr=${actor.lr}", "Recursive"]),
    (["seed=${nope}"], ["seed=${nope}", "'nope' not found"]),
    (["seed=${nope:1}"], ["seed=${nope:1}", "nope"]),
    # flags
    (["--run", "--multirun"], ["--run", "--multirun"]),
    (["--experimental-rerun", "x.pickle"], ["--experimental-rerun", "rl_decay.resume"]),
    (["--nope"], ["--nope"]),
    (["--cfg", "nope"], ["--cfg", "nope"]),
    (["--cfg", "job", "--package", "nope"], ["--package nope"]),
    (["--cfg", "job", "--resolve", "actor.lr=${nope}"], ["nope"]),
    (["--info", "nope"], ["--info", "nope"]),
    (["--resolve"], ["--resolve"]),
    (["--config-dir"], ["--config-dir"]),
    (["-cd", "nope"], ["nope"]),
    (["-cn", "nope"], ["nope"]),
    (["-cp", "/nope"], ["/nope"]),
    (["-sc", "install=nope"], ["nope"]),
    (["-sc", "query=bash"], ["COMP_LINE"]),
]


@pytest.mark.parametrize("words, named", every(6, REFUSED, [" ".join(words)[:60] for words, _ in REFUSED]))
def test_one_line_names_the_mistake_and_nothing_is_left(train_py, tmp_path, words, named):
    ended = train_py(*words)
    ended.refused(*named)
    assert ended.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_flags_may_stand_between_overrides(train_py, tmp_path, small):
    ended = train_py("seed=3,4", "-m", *small, "total_steps=32", "logger=none", "compare=none", "hydra.sweep.dir=sweep")
    assert (ended.code, ended.err) == (0, "")
    assert len(list((tmp_path / "sweep").glob("*/summary.json"))) == 2


def leaves(config, prefix):
    """The dotted keys of Hydra's own configuration."""
    keys = []
    for key in config:
        value = config._get_node(key)
        keys += (
            leaves(value, f"{prefix}.{key}") if isinstance(value, DictConfig) and len(value) else [f"{prefix}.{key}"]
        )
    return keys


@pytest.fixture(scope="module")
def odd_words():
    """Every key of Hydra's with nothing, and with values of other kinds than its own."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = compose("config", return_hydra_config=True).hydra
    values = ("null", "3", "-1", "nope", "''", "[1]", "{a:1}", "${nope}", "true", "1e400")
    keys = [key for key in leaves(hydra, "hydra") if "logging" not in key]  # log lines may go wherever one likes
    return [f"{key}={value}" for key in keys for value in values]


def check(train_in, folder, word, mode):
    ended = train_in(folder, *mode, word, "env.id=Nope-v0")  # nothing that is right here trains
    assert ended.code in (0, 1) and "Traceback" not in ended.err + ended.out, (word, ended)
    errors = ended.err.splitlines()
    assert len(errors) == ended.code and all(line.startswith("error: ") for line in errors), (word, ended)
    assert mode or list(folder.iterdir()) == [], word


def test_an_odd_value_of_a_key_of_hydra_is_one_line(train_in, tmp_path_factory, odd_words):
    for word in random.Random(1).sample(odd_words, 3):
        check(train_in, tmp_path_factory.mktemp("odd"), word, ())


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), ("-m",), ("-m", "hydra/launcher=basic")], ids=["run", "population", "basic"])
def test_odd_values_of_the_keys_of_hydra_are_one_line(train_in, tmp_path_factory, odd_words, mode):
    for word in random.Random(len(mode)).sample(odd_words, 150):
        check(train_in, tmp_path_factory.mktemp("odd"), word, mode)


@pytest.fixture
def faulty(monkeypatch):
    """Put a fault into rl_decay itself, below everything that a person's words can reach."""

    def run(*_, **__):
        raise ZeroDivisionError("a cosmic ray")

    monkeypatch.setattr("rl_decay.console.run.train_population", run)


def test_a_fault_of_ours_is_one_line_and_leaves_its_traceback_in_the_log(train_py, tmp_path, faulty):
    log = tmp_path / "mine" / "train.log"
    ended = train_py("hydra.run.dir=mine")
    ended.refused("a fault of rl_decay", "ZeroDivisionError: a cosmic ray", f"its traceback is in {log}")
    assert "Traceback" in log.read_text() and "raise ZeroDivisionError" in log.read_text()


def test_a_fault_of_ours_in_one_job_is_reported_as_its_failure(train_py, tmp_path, faulty):
    ended = train_py("-m", "seed=0,1", "hydra/launcher=basic", "hydra.sweep.dir=sweep", "compare=none")
    ended.refused("2 of 2 runs failed")
    logs = [path.read_text() for path in (tmp_path / "sweep").glob("*/train.log")]
    assert len(logs) == 2 and all("raise ZeroDivisionError" in log for log in logs)
