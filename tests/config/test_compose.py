"""What a person types, and what it comes to."""

import itertools

import pytest
from variants import every

from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config, flat
from rl_decay.hydra_app.compose import checked

DEBUG = {"env.num_envs": 4, "algo.num_steps": 32, "algo.minibatches": 4, "total_steps": 256, "evaluation.episodes": 2}
BOTH_WARMUP = {"schedule.actor.curve": "linear_warmup", "schedule.critic.curve": "linear_warmup"}
COMMANDS = {
    "": {},
    "schedule=linear": {},  # the default
    "schedule=linear_warmup": BOTH_WARMUP,
    "schedule=none": {"schedule.actor.curve": "none", "schedule.critic.curve": "none"},
    "schedule/actor=linear schedule/critic=none": {"schedule.critic.curve": "none"},
    "schedule/clip=linear": {"schedule.clip.curve": "linear"},
    "schedule/entropy=linear_warmup": {"schedule.entropy.curve": "linear_warmup"},
    "schedule.warmup=0.2 schedule.final=0.1": {"schedule.warmup": 0.2, "schedule.final": 0.1},
    "schedule=linear_warmup schedule.actor.warmup=0.2": BOTH_WARMUP | {"schedule.actor.warmup": 0.2},
    "schedule=linear schedule.start=0 schedule.final=1": {"schedule.start": 0.0, "schedule.final": 1.0},
    "schedule.inclusive=true": {"schedule.inclusive": True},
    "actor.lr=1e-4 critic.lr=1e-3": {"actor.lr": 1e-4, "critic.lr": 1e-3},
    "logger=none": {"logger.tensorboard": False},
    "net.hidden=[32,16]": {"net.hidden": [32, 16]},
    "env.id=my_package:MyEnv-v0 env.kwargs.x=1": {"env.id": "my_package:MyEnv-v0", "env.kwargs": {"x": 1}},
    "experiment=reversed": {"schedule.start": 0.0, "schedule.final": 1.0},
    "experiment=reversed schedule.start=0.5": {"schedule.start": 0.5, "schedule.final": 1.0},
    "experiment=constant_critic": {"schedule.critic.curve": "none"},
    "experiment=debug": DEBUG,
    "experiment=debug total_steps=1024 env.num_envs=2": DEBUG | {"total_steps": 1024, "env.num_envs": 2},
}


@pytest.mark.parametrize("command", every(4, COMMANDS))
def test_a_command_changes_what_it_says_and_nothing_else(keys, command):
    assert keys(*command.split()) == keys() | COMMANDS[command]


@pytest.mark.parametrize("preset", ["acrobot", "pendulum", "generic"])
def test_a_preset_sets_what_its_file_says_and_the_schema_the_rest(keys, file_keys, preset):
    chosen, default = file_keys(f"env/{preset}.yaml"), file_keys("env/cartpole.yaml")
    expected = keys() | {key: flat(Config())[key] for key in default} | chosen
    assert keys(f"env={preset}") == expected


def test_any_task_runs_with_the_generic_preset(keys):
    given = ("env=generic", "env.id=my_package:MyEnv-v0", "env.num_envs=3")
    assert keys(*given) == keys("env=generic") | {"env.id": "my_package:MyEnv-v0", "env.num_envs": 3}


@pytest.mark.parametrize(
    "choices, actor, critic",
    [
        (("schedule=linear_warmup", "schedule/critic=none"), "linear_warmup", "none"),
        (("schedule=none", "schedule/actor=linear_warmup"), "linear_warmup", "none"),
        (("schedule=none", "schedule/actor=linear", "schedule/critic=linear_warmup"), "linear", "linear_warmup"),
        (("schedule=linear_warmup", "experiment=constant_critic"), "linear_warmup", "none"),
        (("schedule=linear", "experiment=constant_critic"), "linear", "none"),
        (("schedule/critic=linear_warmup", "experiment=constant_critic"), "linear", "linear_warmup"),
        (("schedule=linear", "experiment=constant_critic", "schedule/critic=linear"), "linear", "linear"),
        (("experiment=reversed", "schedule=linear_warmup"), "linear_warmup", "linear_warmup"),
        (("experiment=reversed", "schedule/actor=none"), "none", "linear"),
    ],
)
def test_the_specific_choice_wins_in_any_order(compose, choices, actor, critic):
    for order in (choices, choices[::-1]):
        chosen = checked(compose(*order)).schedule
        assert (chosen.actor.curve, chosen.critic.curve) == (actor, critic), order


def test_a_group_override_is_a_curve_with_its_own_knob(compose):
    config = checked(compose("schedule=linear_warmup", "schedule.warmup=0.2", "schedule.critic.warmup=0.5"))
    curves = role_curves(config.schedule)
    assert curves["actor"].knobs["warmup"] == 0.2
    assert curves["critic"].knobs["warmup"] == 0.5


def test_clip_and_entropy_follow_neither_the_shorthand_nor_shared_knobs(compose):
    config = checked(compose("schedule=linear_warmup", "schedule.final=0.3", "schedule/clip=linear"))
    curves = role_curves(config.schedule)
    assert curves["entropy"].name == "none"
    assert curves["clip"].knobs == {"start": 1.0, "final": 0.0}
    assert curves["actor"].knobs["final"] == 0.3


@pytest.mark.parametrize("key, value", [("total_steps", 2048), ("actor.lr", 0.125), ("algo.grad_clip", "per_group")])
def test_the_command_line_wins_over_experiment_and_preset(keys, key, value):
    before = keys("env=pendulum", "experiment=cleanrl")
    assert before[key] != value
    assert keys("env=pendulum", "experiment=cleanrl", f"{key}={value}") == before | {key: value}
    assert keys(f"{key}={value}", "experiment=cleanrl", "env=pendulum") == before | {key: value}


def test_an_experiment_wins_over_the_preset(keys, file_keys):
    assert keys("env=pendulum", "experiment=cleanrl") == keys("env=pendulum") | file_keys("experiment/cleanrl.yaml")


def test_keyword_arguments_of_a_task_may_be_nested_and_of_any_type(compose):
    given = ("env.kwargs.x=1", "env.kwargs.deep.name=a", "env.kwargs.flags=[true,2.5]")
    kwargs = checked(compose("env.id=p:E-v0", *given)).env.kwargs
    assert kwargs == {"x": 1, "deep": {"name": "a"}, "flags": [True, 2.5]}
    assert type(kwargs) is dict and type(kwargs["flags"]) is list
    assert checked(compose("env.id=p:E-v0", "env.kwargs={x:1}")).env.kwargs == {"x": 1}


def test_every_job_of_a_grid_has_a_folder_of_its_own(compose):
    lists = [
        ["schedule/actor=none", "schedule/actor=linear"],
        ["schedule/critic=none"],
        ["seed=0", "seed=1"],
        ["actor.lr=4e-4", "actor.lr=4.1e-4"],
    ]
    jobs = list(itertools.product(*lists))
    names = [compose(*job, return_hydra_config=True).hydra.sweep.subdir for job in jobs]
    assert len(set(names)) == len(jobs) == 8
    for job, name in zip(jobs, names):
        actor, seed = job[0].partition("=")[2], job[2].partition("=")[2]
        assert name.startswith(f"{actor}-none_seed{seed}_")


def test_the_folder_does_not_tell_how_a_run_was_logged(compose):
    def folder(*overrides):
        return compose(*overrides, return_hydra_config=True).hydra.sweep.subdir

    assert folder("logger=none", "checkpoint.every=3", "checkpoint.keep=2") == folder()
    assert folder("actor.lr=0.0003") == folder("actor.lr=3e-4")
    assert folder("schedule=linear") == folder("schedule/actor=linear", "schedule/critic=linear")
