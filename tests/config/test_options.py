"""The files in conf/: small, complete, and every one of them runs."""

from importlib.util import find_spec
from pathlib import Path

import gymnasium
import pytest
from omegaconf import OmegaConf
from trained import train_configs
from variants import every

from rl_decay.config.checks import normalization_note, preset_note
from rl_decay.config.plan import make_plan
from rl_decay.config.schema import Config, Env, flat
from rl_decay.console.run_tables import evaluation_share
from rl_decay.hydra_app.compose import checked
from rl_decay.metrics.tasks import GENERIC, TASKS
from rl_decay.schedules import CURVES

CONF = Path(__file__).parents[2] / "conf"
WITHOUT_DMC = find_spec("dm_control") is None
OPTIONS = sorted(
    f"{file.parent.relative_to(CONF)}={file.stem}"
    for file in CONF.rglob("*.yaml")
    if file.parent != CONF and file.relative_to(CONF).parts[0] != "hydra"
)
PRESETS = {task: entry.preset for task, entry in TASKS.items() if entry.preset is not None}
# Classic tasks learn within few and cheap steps, and with fewer episodes their oscillation would be noise.
SHORT_BUDGETS = {"cartpole", "acrobot", "pendulum", "mountain_car_continuous"}
SMALL = (
    "total_steps=64",
    "env.num_envs=2",
    "algo.num_steps=16",
    "algo.minibatches=2",
    "evaluation.episodes=1",
    "evaluation.early=0",
    "evaluation.late=1",
    "device=cpu",
)


@pytest.mark.parametrize("option", every(6, [option for option in OPTIONS if not option.startswith("env=dm_")]))
def test_every_option_composes_builds_and_runs_two_iterations(compose, tmp_path, option):
    overrides = [option] if option.startswith("logger=") else ["logger=none", option]
    config = checked(compose(*overrides, *SMALL))
    (result,) = train_configs([config], [tmp_path / "run"])
    assert (result.status, result.summary["iterations"]) == ("finished", 2)
    assert bool(list(result.folder.glob("events.out.tfevents.*"))) == (option == "logger=tensorboard")


@pytest.mark.dmc
@pytest.mark.thorough
@pytest.mark.skipif(WITHOUT_DMC, reason="needs the extra dmc")
@pytest.mark.parametrize("option", [option for option in OPTIONS if option.startswith("env=dm_")])
def test_every_task_of_deepmind_control_runs_two_iterations(shell, option):
    """In a process of its own: dm-control logs through absl, which closes the stream that pytest captures."""
    ended = shell(option, "logger=none", *SMALL)
    assert ended.code == 0 and "iteration 2/2" in ended.out, ended


@pytest.mark.parametrize("name", sorted(set(PRESETS.values()) - SHORT_BUDGETS))
def test_evaluations_of_a_preset_are_a_small_share_of_its_steps(compose, name):
    config = checked(compose(f"env={name}"))
    task = gymnasium.spec(config.env.id) if "dm_control/" not in config.env.id else None
    plan = make_plan(config, task.max_episode_steps if task else None)
    assert evaluation_share(config, plan) < 0.15
    assert len([p for p in plan.evaluation_points if p > 0.7 * plan.num_iterations]) >= 8  # osc_late is defined


@pytest.mark.parametrize("name", sorted(file.stem for file in (CONF / "env").iterdir()))
def test_debug_runs_two_iterations_of_any_task(compose, name):
    assert make_plan(checked(compose(f"env={name}", "experiment=debug")), None).num_iterations == 2


@pytest.mark.parametrize("group", ["algo", "net", "logger"])
def test_no_option_repeats_a_default_of_the_schema(conf, file_keys, group):
    defaults = flat(Config())
    for file in (conf / group).glob("*.yaml"):
        changed = {f"{group}.{key}": value for key, value in file_keys(f"{group}/{file.name}").items()}
        assert changed.keys() <= defaults.keys(), file
        assert [key for key, value in changed.items() if value == defaults[key]] == [], file


def test_the_table_of_contents_sets_no_key(file_keys):
    assert [key for key in file_keys("config.yaml") if not key.startswith("hydra.")] == []


def test_only_the_preset_moves_the_default_options_away_from_the_schema(keys, file_keys):
    assert keys() == flat(Config()) | file_keys("env/cartpole.yaml")


@pytest.mark.parametrize("role", ["actor", "critic", "clip", "entropy"])
def test_every_role_has_a_file_for_every_curve(conf, role):
    files = {file.stem: OmegaConf.load(file) for file in (conf / "schedule" / role).iterdir()}
    assert {name: content.curve for name, content in files.items()} == {name: name for name in CURVES}


def test_the_shorthand_has_a_file_for_every_curve(conf):
    assert {file.stem for file in (conf / "schedule").glob("*.yaml")} == set(CURVES)


def test_every_preset_is_named_by_the_one_entry_of_its_task(conf):
    files = {file.stem: OmegaConf.load(file).env for file in (conf / "env").iterdir()}
    assert all(env.preset == name for name, env in files.items())
    assert "id" not in files.pop(GENERIC)
    assert sorted(PRESETS.values()) == sorted(files)  # two tasks with one preset would be two equal names here
    for task, name in PRESETS.items():
        assert files[name].id.rpartition(":")[2] == task


@pytest.mark.parametrize("task, name", PRESETS.items())
def test_a_task_with_its_own_preset_needs_no_note(compose, task, name):
    config = checked(compose(f"env={name}"))
    assert config.env.id.rpartition(":")[2] == task
    assert preset_note(config) is None


@pytest.mark.parametrize(
    "env, words",
    [
        (Env(id="Pendulum-v1", preset="cartpole"), ("Pendulum-v1", "env=cartpole", "env=pendulum")),
        (Env(id="Pendulum-v1", preset="generic"), ("Pendulum-v1", "env=generic", "env=pendulum")),
        (Env(id="my_package:MyEnv-v0", preset="cartpole"), ("my_package:MyEnv-v0", "env=cartpole", "env=generic")),
    ],
)
def test_the_note_names_the_task_its_hyperparameters_and_the_fitting_preset(env, words):
    note = preset_note(Config(env=env))
    assert note and all(word in note for word in words)


def test_an_experiment_that_switches_normalisation_off_is_noted(compose):
    note = normalization_note(checked(compose("env=generic", "experiment=cleanrl")))
    assert note == "env=generic normalises, this run does not: normalize.obs=true normalize.reward=true would"
    kept = compose("env=generic", "experiment=cleanrl", "normalize.obs=true", "normalize.reward=true")
    assert normalization_note(checked(kept)) is None
    assert normalization_note(checked(compose("env=cartpole"))) is None


def test_an_unknown_task_fits_the_generic_preset():
    assert preset_note(Config(env=Env(id="my_package:MyEnv-v0", preset="generic"))) is None


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: str(file.relative_to(CONF)))
def test_files_are_short(file):
    assert len(file.read_text().splitlines()) <= 40


def test_the_table_of_contents_names_every_group(compose):
    chosen = compose(return_hydra_config=True).hydra.runtime.choices
    groups = {option.partition("=")[0] for option in OPTIONS}
    assert groups == {group for group in chosen if not group.startswith("hydra/")}
