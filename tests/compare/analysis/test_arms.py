import pytest

from rl_decay.compare.analysis import arms
from rl_decay.compare.reading.own import load
from rl_decay.config.arm_names import differing, names
from rl_decay.config.identity import arm_values
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.runs.summary import read_summary, write_summary

BOTH = {"none": ("none", "none"), "linear": ("linear", "linear"), "linear_warmup": ("linear_warmup", "linear_warmup")}


def group(folders, by=(), across_tasks=False):
    return arms.group(load(folders).runs, by=by, across_tasks=across_tasks)


@pytest.fixture
def of(make_run, tmp_path):
    """Write runs {folder name: keys} and put them into arms: {name: seeds}."""

    def make(runs, **options):
        for name, keys in runs.items():
            make_run(tmp_path / name, **keys)
        found, notes = group([tmp_path], **options)
        return {arm.name: [run.seed for run in arm.runs] for arm in found}, notes

    return make


def config(curve="none", **keys):
    values = flat(Config()) | {"schedule.actor.curve": curve, "schedule.critic.curve": curve}
    return values | {key.replace("__", "."): value for key, value in keys.items()}


def named(*configs):
    values = [arm_values(config) for config in configs]
    return names(values, differing(values))


def test_names_are_what_a_person_types():
    assert named(config("none"), config("linear")) == ["schedule=none", "schedule=linear"]
    assert named(config("linear"), config("none", schedule__critic__curve="linear")) == [
        "schedule/actor=linear",
        "schedule/actor=none",
    ]
    mixed = config("none", schedule__critic__curve="linear")
    assert named(config("none"), config("linear"), mixed) == [
        "schedule=none",
        "schedule=linear",
        "schedule/actor=none schedule/critic=linear",
    ]
    assert named(config(actor__lr=1e-3), config(actor__lr=3e-4)) == ["actor.lr=0.001", "actor.lr=0.0003"]
    assert named(config("linear", actor__lr=1e-3), config("none")) == [
        "schedule=linear actor.lr=0.001",
        "schedule=none actor.lr=0.0003",
    ]
    assert named(config(net__hidden=[16, 16], algo__target_kl=None), config(algo__target_kl=0.02)) == [
        "net.hidden=[16,16] algo.target_kl=null",
        "net.hidden=[64,64] algo.target_kl=0.02",
    ]
    assert named(config(), config()) == ["schedule=none", "schedule=none"]


def test_numbers_have_as_many_digits_as_tell_them_apart():
    assert named(config(actor__lr=1.23456e-4), config(actor__lr=2e-4)) == ["actor.lr=0.000123", "actor.lr=0.0002"]
    near = named(config(actor__lr=1.23456e-4), config(actor__lr=1.23457e-4))
    assert near == ["actor.lr=0.000123456", "actor.lr=0.000123457"]


def test_a_knob_shows_where_a_curve_takes_it():
    assert named(config("none"), config("linear"), config("linear", schedule__final=0.1)) == [
        "schedule=none",
        "schedule=linear schedule.final=0",
        "schedule=linear schedule.final=0.1",
    ]
    assert named(config("linear"), config("linear", schedule__actor__final=0.1)) == [
        "schedule.actor.final=0",
        "schedule.actor.final=0.1",
    ]
    reversed_ = config("linear", schedule__start=0.0, schedule__final=1.0)
    assert named(config("linear"), reversed_) == [
        "schedule.start=1 schedule.final=0",
        "schedule.start=0 schedule.final=1",
    ]


@pytest.mark.parametrize(
    "keys",
    [
        {"seed": 5},
        {"checkpoint__every": 3},
        {"env__preset": "cartpole"},
        {"logger__tensorboard": False},
        {"vec": "async", "env__timeout": 60},
        {"schedule__warmup": 0.5},  # no curve takes it
        {"schedule__inclusive": True},  # nothing is scheduled
    ],
)
def test_keys_that_change_nothing_make_no_arm(keys):
    assert arm_values(config(**keys)) == arm_values(config())


def test_the_same_knob_for_both_groups_or_for_each_is_one_experiment():
    shared, each = {"schedule__final": 0.1}, {"schedule__actor__final": 0.1, "schedule__critic__final": 0.1}
    plain = arm_values(config("linear"))
    assert arm_values(config("linear", **shared)) == arm_values(config("linear", **each)) != plain
    assert arm_values(config("linear", schedule__inclusive=True)) != plain


def test_runs_that_differ_in_the_seed_alone_are_an_arm(of):
    runs = {f"{curve}{seed}": {"curves": BOTH[curve], "seed": seed} for curve in BOTH for seed in (2, 0, 1)}
    found, notes = of(runs)
    assert list(found.items()) == [(f"schedule={c}", [0, 1, 2]) for c in ("linear", "linear_warmup", "none")]
    assert notes == ()


def test_the_values_of_an_arm(make_run, tmp_path):
    make_run(tmp_path / "a", curves=BOTH["linear"])
    make_run(tmp_path / "b", actor__lr=0.1)
    one, other = group([tmp_path])[0]
    assert one.values == {"actor.lr": 3e-4, "schedule.actor.curve": "linear", "schedule.critic.curve": "linear"}
    assert other.values == {"actor.lr": 0.1, "schedule.actor.curve": "none", "schedule.critic.curve": "none"}


GRID = {
    "none": {"seed": 0},
    "none hot": {"seed": 1, "actor__lr": 0.1},
    "linear": {"seed": 0, "curves": BOTH["linear"]},
    "linear hot": {"seed": 1, "curves": BOTH["linear"], "actor__lr": 0.1},
}


@pytest.mark.parametrize("by", ["schedule", "schedule/actor", "schedule.critic.curve"])
def test_by_keeps_what_it_names(of, by):
    found, notes = of(GRID, by=(by,))
    assert sorted(map(tuple, found.values())) == [(0, 1), (0, 1)]
    assert notes == (f"--by {by}: arms hold runs that differ in actor.lr",) or "actor.lr" in notes[0]


def test_by_takes_several_keys(of):
    assert len(of(GRID, by=("schedule", "actor.lr"))[0]) == 4


def test_by_a_key_in_which_nothing_differs_is_one_arm(of):
    found, _ = of({"a": {"seed": 0, "actor__lr": 0.1}, "b": {"seed": 1}}, by=("critic",))
    assert found == {"schedule=none": [0, 1]}


def test_by_a_shared_knob_means_both_groups(of):
    runs = {f"{final}": {"curves": BOTH["linear"], "schedule__final": final, "seed": 0} for final in (0.1, 0.2)}
    assert set(of(runs, by=("schedule.final",))[0]) == {"schedule.final=0.1", "schedule.final=0.2"}


def test_by_is_refused_where_two_runs_of_an_arm_share_a_seed(of, tmp_path):
    runs = {"cold": {"seed": 3}, "hot": {"seed": 3, "actor__lr": 0.1, "scores": [0.5] * 30}}
    with pytest.raises(UserError) as error:
        of(runs, by=("schedule",))
    for word in (str(tmp_path / "cold"), str(tmp_path / "hot"), "seed 3", "add actor.lr to --by schedule"):
        assert word in str(error.value)


def test_by_a_key_that_no_run_has(of):
    with pytest.raises(UserError, match=r"--by scedule: no key of these runs.*actor.*schedule"):
        of(GRID, by=("scedule",))


def test_two_different_runs_of_one_experiment_and_seed_are_refused(of, tmp_path):
    with pytest.raises(UserError) as error:
        of({"a": {"seed": 3}, "b": {"seed": 3, "scores": [0.5] * 30}})
    assert str(tmp_path / "a") in str(error.value) and str(tmp_path / "b") in str(error.value)


def test_the_same_run_twice_counts_once(of, tmp_path):
    # A sweep over a knob that `none` does not take trains it twice.
    runs = {
        f"{curve} {final}": {"curves": BOTH[curve], "schedule__final": final}
        for curve in ("none", "linear")
        for final in (0.1, 0.2)
    }
    found, notes = of(runs)
    assert found == {
        "schedule=linear schedule.final=0.1": [0],
        "schedule=linear schedule.final=0.2": [0],
        "schedule=none": [0],
    }
    assert notes == (f"{tmp_path / 'none 0.2'} is the same run as {tmp_path / 'none 0.1'}: counted once",)


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("env.id", {"env__id": "Acrobot-v1"}),
        ("env.kwargs", {"env__kwargs": {"sutton_barto_reward": True}}),
        ("total_steps", {"total_steps": 20_000}),
        ("evaluation.late", {"evaluation__late": 40}),
        ("evaluation.seed", {"evaluation__seed": 5}),
    ],
)
def test_what_cannot_be_compared_is_refused_with_key_values_and_folders(of, tmp_path, key, keys):
    with pytest.raises(UserError) as error:
        of({"one": {"seed": 0}, "two": {"seed": 1, **keys}})
    for word in (f"{key} differs", str(tmp_path / "one"), str(tmp_path / "two")):
        assert word in str(error.value)


def test_across_tasks_arms_differ_in_what_differs_within_a_task(of):
    task = {
        "CartPole-v1": {"algo__gamma": 0.98, "total_steps": 10_000},
        "Pendulum-v1": {"algo__gamma": 0.9, "total_steps": 20_000, "evaluation__late": 40},
    }
    runs = {
        f"{name} {curve} {seed}": {"env__id": name, "curves": BOTH[curve], "seed": seed, **keys}
        for name, keys in task.items()
        for curve in ("none", "linear")
        for seed in (0, 1)
    }
    found, notes = of(runs, across_tasks=True)
    assert found == {"schedule=linear": [0, 1, 0, 1], "schedule=none": [0, 1, 0, 1]} and notes == ()


def test_across_tasks_needs_scores_and_allows_nothing_else(of, tmp_path, make_run):
    with pytest.raises(UserError, match=r"unit differs: score \(.*one\), return \(.*two\)"):
        of({"one": {}, "two": {"env__id": "Corridor-v0", "seed": 1}}, across_tasks=True)
    make_run(tmp_path / "three", env__id="Acrobot-v1", total_steps=20_000)
    make_run(tmp_path / "four", env__id="Acrobot-v1", seed=1)
    with pytest.raises(UserError, match="total_steps differs"):
        group([tmp_path / "three", tmp_path / "four"], across_tasks=True)
    with pytest.raises(UserError, match="Corridor-v0 has no score constants"):
        group([tmp_path / "two"], across_tasks=True)


def test_the_baseline(make_run, tmp_path):
    make_run(tmp_path / "a", curves=BOTH["linear"])
    make_run(tmp_path / "b", curves=("none", "linear"))
    grouped, _ = group([tmp_path])
    mixed, linear = "schedule/actor=none", "schedule/actor=linear"
    assert arms.choose_baseline(grouped, None) == linear  # the first by name
    assert arms.choose_baseline(grouped, mixed) == mixed
    with pytest.raises(UserError, match=f"--baseline 'none': no such arm; the arms are '{linear}', '{mixed}'"):
        arms.choose_baseline(grouped, "none")
    make_run(tmp_path / "c")
    assert arms.choose_baseline(group([tmp_path])[0], None) == "schedule=none"  # the one without decay
    with pytest.raises(UserError, match="no run to compare"):
        arms.choose_baseline((), None)


def test_runs_that_became_longer_in_other_ways_are_other_arms(make_run, tmp_path):
    """The last choice alone is in the configuration; when the schedule was left is in the history."""
    histories = {
        "plain": [{"iteration": 4}],
        "keep": [{"iteration": 5, "horizon": "keep", "total_steps_before": 500}],
        "later": [{"iteration": 8, "horizon": "keep", "total_steps_before": 800}],
        "hold": [{"iteration": 5, "horizon": "hold", "total_steps_before": 500}],
        "hold_later": [{"iteration": 6, "horizon": "hold", "total_steps_before": 500}],
    }
    for name, history in histories.items():
        folder = make_run(tmp_path / name)
        longer = [{"total_steps": 1000, **entry} if "horizon" in entry else entry for entry in history]
        write_summary(folder, read_summary(folder) | {"resumed": longer})
    found, _ = group([tmp_path])
    words = ["refuse", "keep from 500", "keep from 800", "hold from 500 after iteration 5"]
    words.append("hold from 500 after iteration 6")
    assert sorted(arm.name for arm in found) == sorted(f"horizon={word}" for word in words)
