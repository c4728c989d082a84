"""Whole small runs: counters, segments, and schedules that must not be felt."""

from pathlib import Path

import pytest
from trained import train_configs

from rl_decay.envs.repeatable import SEED as EXAMINATION
from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.rng import ENV, evaluation_seeds, reset_seeds
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints


def numbers(cells):
    return [float(cell) for cell in cells]


def test_counters(configure, train, columns):
    (result,) = train(configure(env__id="tests/Push-v0", total_steps=4 * 64 + 63))
    table = columns(result)
    assert numbers(table["iteration"]) == [1, 2, 3, 4]
    assert numbers(table["env_steps"]) == [64, 128, 192, 256]
    valid = numbers(table["valid_steps"])
    assert 200 < valid[-1] < 256  # episodes of 12 steps at most: a filler after each
    assert valid == sorted(valid)
    assert [result.summary[key] for key in ("status", "iterations", "env_steps")] == ["finished", 4, 256]
    assert result.summary["valid_steps"] == valid[-1]


def test_a_short_run_says_why_it_has_no_late_oscillation(configure, train):
    (result,) = train(configure())
    assert result.summary["osc_late_reason"] == "1 evaluations in the late window, 8 are needed"
    assert result.final_return == result.summary["last_return"]


@pytest.mark.parametrize(("segments", "cuts"), [(1, [0]), (2, [0, 2]), (3, [0, 2]), (4, [0, 1, 2, 3])])
def test_every_segment_begins_with_seeds_of_its_own(segments, cuts, configure, train, push, monkeypatch):
    told = []  # the agent is told of every cut: its running returns start anew
    monkeypatch.setattr(PPO, "new_segment", lambda ppo: told.append(ppo))
    config = configure(seed=5, env__id="tests/Push-v0", segments=segments)
    train(config)
    elsewhere = (EXAMINATION, *evaluation_seeds(config.evaluation.seed, 2))
    in_training = [seed for seed in push.resets if seed not in elsewhere]
    assert in_training == [seed for segment in range(len(cuts)) for seed in reset_seeds(5, ENV, segment, 2)]
    assert len(told) == len(cuts)


def test_learning_is_the_same_until_the_first_cut(configure, train, columns):
    whole, cut = (columns(train(configure(env__id="tests/Push-v0", segments=n))[0]) for n in (1, 2))
    for tag in ("losses/policy_loss", "losses/value_loss", "charts/episodic_return", "valid_steps"):
        assert whole[tag][:2] == cut[tag][:2]
        assert whole[tag][2:] != cut[tag][2:]


HOLD = {"schedule__actor__curve": "linear_warmup", "schedule__critic__curve": "linear_warmup"}
NONE = {"schedule__actor__curve": "none", "schedule__critic__curve": "none"}
LINEAR = {"schedule__actor__curve": "linear", "schedule__critic__curve": "linear"}


def test_a_hold_is_no_schedule_bit_for_bit(configure, train, columns):
    # warmup 0.5 of 8 iterations: progress 0, 1/8, ..., 4/8 is held; 5/8 is the first that has decayed
    options = {"total_steps": 8 * 64, "evaluation__early": 5, "evaluation__late": 3}
    (held,) = train(configure(**options, **HOLD, schedule__warmup=0.5))
    (none,) = train(configure(**options, **NONE))
    a, b = columns(held), columns(none)
    for tag in a.keys() - {"charts/SPS"}:
        assert a[tag][:5] == b[tag][:5]
    assert a["lr/actor"][5] != b["lr/actor"][5]
    assert a["losses/policy_loss"][6:] != b["losses/policy_loss"][6:]


@pytest.mark.parametrize(
    "twin",
    [
        LINEAR | {"schedule__final": 1.0},
        HOLD | {"schedule__warmup": 1.0},
        HOLD | {"schedule__final": 1.0, "schedule__inclusive": True},
    ],
)
def test_schedules_that_do_nothing_are_no_schedule_bit_for_bit(twin, configure, train, differences):
    (scheduled,) = train(configure(**twin))
    (none,) = train(configure(**NONE))
    assert differences(scheduled, none) == []


def test_the_rates_of_every_iteration_are_the_formulas(configure, train, columns):
    # actor: 0.01 - 0.01 * t/4; critic held for 2 of 4 iterations, then 0.02 - (0.02 - 0.002) * (t - 2)/2
    critic = {
        "schedule__critic__curve": "linear_warmup",
        "schedule__critic__warmup": 0.5,
        "schedule__critic__final": 0.1,
    }
    clip = {"schedule__clip__curve": "linear", "algo__clip": 0.4, "schedule__clip__final": 0.5}
    (result,) = train(configure(actor__lr=0.01, critic__lr=0.02, **critic, **clip))
    table = columns(result)
    assert numbers(table["lr/actor"]) == pytest.approx([0.01, 0.0075, 0.005, 0.0025])
    assert numbers(table["lr/critic"]) == pytest.approx([0.02, 0.02, 0.02, 0.011])
    assert numbers(table["schedule/clip"]) == pytest.approx([0.4, 0.35, 0.3, 0.25])


def test_a_rate_that_reaches_zero_stops_its_network_alone(configure, train, columns):
    (result,) = train(configure(schedule__inclusive=True, schedule__critic__curve="none"))
    table = columns(result)  # inclusive: progress 0, 1/3, 2/3, 1
    assert numbers(table["update/actor/rel_step"])[3] == 0.0
    assert min(numbers(table["update/actor/rel_step"])[:3] + numbers(table["update/critic/rel_step"])) > 0
    assert abs(numbers(table["losses/approx_kl"])[3]) < 1e-6


def test_the_best_checkpoint_is_that_of_the_best_evaluation(configure, train):
    (result,) = train(configure(total_steps=6 * 64, evaluation__early=3, evaluation__late=3, actor__lr=0.02))
    folder = result.folder / layout.CHECKPOINTS
    head, *rows = [line.split(",") for line in (result.folder / layout.EVALUATIONS_CSV).read_text().splitlines()]
    means = [float(row[head.index("return_mean")]) for row in rows]
    iterations = [int(row[head.index("iteration")]) for row in rows]
    assert checkpoints.load(folder / layout.BEST)["iteration"] == iterations[means.index(max(means))]
    assert result.summary["best_return"] == max(means)


@pytest.mark.parametrize("kind, status", [(KeyboardInterrupt, layout.INTERRUPTED), (OverflowError, layout.FAILED)])
def test_a_run_that_never_began_says_so(configure, tmp_path, kind, status):
    def show(*_):
        raise kind

    with pytest.raises(kind):
        train_configs([configure()], [tmp_path], show=show)
    summary = read_summary(tmp_path)
    assert (summary["status"], summary["reason"]) == (status, "training did not begin")


@pytest.mark.parametrize("name", [layout.METRICS_CSV, layout.EVALUATIONS_CSV, layout.CHECKPOINTS])
def test_the_remains_of_a_run_are_not_continued(name, configure, tmp_path):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match="holds a run already"):
        train_configs([configure()], [tmp_path])


def test_a_folder_that_cannot_be_written(configure):
    with pytest.raises(UserError, match="/proc/nowhere: cannot be written"):
        train_configs([configure()], [Path("/proc/nowhere")])


def test_a_longer_time_limit_is_the_tasks(configure, train):
    # an episode of Pendulum lasts until its time limit, in training as in evaluation
    (result,) = train(configure(env__id="Pendulum-v1", env__kwargs={"max_episode_steps": 300}))
    assert read(result.folder / layout.EVALUATIONS_CSV)["episode_length"][-1] == 300
