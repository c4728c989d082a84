"""What may change when a run is continued, what is refused by name, and what becomes of a schedule made longer."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from compared_runs import recorded_differences
from small_runs import rich_config
from trained import train_configs
from variants import every, thorough

from rl_decay.config.schema import Config, flat, walk
from rl_decay.errors import UserError
from rl_decay.rng import MemberStreams
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.runs.tables import read
from rl_decay.types import Spaces

# every key that makes another experiment, with a value that could be trained but is not the run's
OTHER = {
    "seed": 1,
    "device": "auto",
    "threads": 2,
    "compile": "inductor",
    "segments": 3,
    "init_from": "somewhere.pt",
    "env.id": "CartPole-v1",
    "env.kwargs": {"after": 30},
    "env.wrappers": ["gymnasium.wrappers.TimeAwareObservation"],
    "env.num_envs": 4,
    "env.rescale_actions": True,
    "net.hidden": [8, 8],
    "net.activation": "relu",
    "net.log_std": 0.5,
    "net.squash": "tanh",
    "actor.lr": 1e-3,
    "critic.lr": 1e-3,
    "schedule.warmup": 0.2,
    "schedule.start": 0.5,
    "schedule.final": 0.5,
    "schedule.inclusive": True,
    **{f"schedule.{role}.curve": "linear_warmup" for role in ("actor", "critic", "clip", "entropy")},
    **{f"schedule.{role}.warmup": 0.2 for role in ("actor", "critic", "clip", "entropy")},
    **{f"schedule.{role}.start": 0.5 for role in ("actor", "critic", "clip", "entropy")},
    **{f"schedule.{role}.final": 0.5 for role in ("actor", "critic", "clip", "entropy")},
    "algo.num_steps": 32,
    "algo.epochs": 3,
    "algo.minibatches": 4,
    "algo.gamma": 0.9,
    "algo.gae_lambda": 0.9,
    "algo.clip": 0.1,
    "algo.value_clip": 0.1,
    "algo.entropy_coef": 0.01,
    "algo.value_coef": 1.0,
    "algo.max_grad_norm": 1.0,
    "algo.grad_clip": "joint",
    "algo.target_kl": 0.1,
    "normalize.obs": False,
    "normalize.reward": False,
    "evaluation.seed": 7,
    "evaluation.episodes": 3,
    "evaluation.early": 1,
    "evaluation.late": 1,
    "evaluation.max_steps": 4,
}
MAY_CHANGE = {
    "vec": {"vec": "async"},
    "resume": {"resume": "auto"},
    "env.timeout": {"vec": "async", "env.timeout": 60},
    "env.preset": {"env.preset": "generic"},
    "compare": {"compare": "none"},
    "checkpoint.every": {"checkpoint.every": 1},
    "checkpoint.keep": {"checkpoint.keep": 2},
    "logger.tensorboard": {"logger.tensorboard": False},
}
HORIZONS = ("total_steps", "horizon")


def test_the_lists_of_this_file_hold_every_key_of_the_schema():
    about = {key: metadata["experiment"] for key, _, metadata in walk(Config())}
    elsewhere = {*HORIZONS, "env.entry_point"}  # which is the task: env.id is made of it
    assert OTHER.keys() == {key for key, experiment in about.items() if experiment} - elsewhere
    assert MAY_CHANGE.keys() == {key for key, experiment in about.items() if not experiment}


@pytest.mark.parametrize("key", every(4, OTHER))
def test_a_key_that_makes_another_experiment_is_refused_by_name(key, left, resumed, files, small):
    before, own = files(left), flat(small())
    assert own[key] != OTHER[key]
    changes = {key: OTHER[key]}
    curve = key.rpartition(".")[0] + ".curve"
    if curve in own and key != curve:  # a knob that its curve lacks is refused as such
        changes[curve] = "linear_warmup"
    ended = resumed(left, *(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in changes.items()))
    assert any(f"{name}=" in ended.err for name in changes)
    ended.refused("another value is another run", str(left))
    assert files(left) == before


@pytest.mark.thorough
def test_train_py_refuses_the_same_before_hydra_writes_its_record(words, train_in, resumed, files, tmp_path):
    assert train_in(tmp_path, *words(), "hydra.run.dir=mine").code == 0
    before = files(tmp_path / "mine")
    for changed in ("algo.clip=0.1", "seed=5", "schedule/critic=none", "env.kwargs.after=3"):
        ended = train_in(tmp_path, *words(), "hydra.run.dir=mine", "resume=auto", changed)
        ended.refused(changed.split("=")[0].replace("/", ".").replace(".after", ""), "another run")
        assert files(tmp_path / "mine") == before


@pytest.mark.parametrize("key", every(3, MAY_CHANGE))
def test_a_key_that_changes_nothing_learned_may_change(key, left, resumed, different, whole):
    ended = resumed(left, *(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in MAY_CHANGE[key].items()))
    assert (ended.code, ended.err) == (0, "")
    expected = ["scalars"] if key == "logger.tensorboard" else []  # no event after the checkpoint
    assert different(left, whole) == expected
    own = read_summary(left)["config"]
    assert own | MAY_CHANGE[key] == own


@pytest.mark.parametrize(
    "words, said",
    [
        (["total_steps=128"], ["total_steps=128", "has 256", "fewer"]),
        (["total_steps=128", "horizon=keep"], ["total_steps=128", "fewer"]),
        (["total_steps=512"], ["total_steps=512", "has 256", "horizon=keep", "stretch", "hold"]),
        (["total_steps=512", "horizon=refuse"], ["total_steps=512", "horizon=keep"]),
        (["horizon=keep"], ["horizon=keep", "total_steps=256"]),
        (["horizon=stretch", "total_steps=256"], ["horizon=stretch", "total_steps=256"]),
        (["horizon=longer", "total_steps=512"], ["horizon=longer", "keep, stretch, hold"]),
        (["total_steps=abc"], ["total_steps='abc'", "whole number"]),
        (["total_steps=1e6"], ["total_steps=1", "whole number"]),
        (["total_steps=-5"], ["total_steps=-5", "whole number"]),
        (["total_steps="], ["total_steps=", "whole number"]),
        (["total_steps=512.5"], ["total_steps=512.5", "whole number"]),
        (["total_steps=true"], ["total_steps=True", "whole number"]),
        (["total_step=512"], ["total_step=512", "no such key"]),
        (["algo.magic=1"], ["algo.magic=1", "no such key"]),
        (["algo=1"], ["algo=1", "no such key"]),
        (["env.kwargs.after=1"], ["env.kwargs.after=1", "no such key"]),
        (["512"], ["512", "give key=value"]),
        (["=512"], ["=512", "no such key"]),
        (["schedule.actor.warmup=abc", "schedule.actor.curve=linear_warmup"], ["schedule.actor.warmup='abc'"]),
        (["schedule.actor.curve=5"], ["schedule.actor.curve=5", "must be text"]),
        (["schedule.actor.curve=[1]"], ["schedule", "actor"]),
        (["net.hidden=5"], ["net.hidden=5"]),
        (["net.hidden=abc"], ["net.hidden='abc'"]),
        (["net.activation=[1]"], ["net.activation=[1]"]),
        (["normalize.obs=1"], ["normalize.obs=1", "true or false"]),
        (["logger.tensorboard=no"], ["logger.tensorboard=no", "true or false"]),
        (["checkpoint.every=0"], ["checkpoint.every=0"]),
        (["checkpoint.every=abc"], ["checkpoint.every='abc'"]),
        (["checkpoint.keep=null"], ["checkpoint.keep=None"]),
        (["env.timeout=5", "vec=sync"], ["env.timeout=5", "vec=async"]),
        (["env.timeout=abc", "vec=async"], ["env.timeout='abc'"]),
        (["vec=parallel"], ["vec=parallel", "auto, sync, async, batched"]),
        (["init_from=5"], ["init_from=5", "must be text; or null"]),
        (["env.kwargs=5"], ["env.kwargs=5"]),
        (["total_steps=" + 100_000 * "["], ["total_steps=", "whole number"]),
        (["resume=never"], ["resume"]),
    ],
    ids=lambda words: " ".join(words)[:60] or "none",
)
def test_words_that_cannot_be_followed_are_one_line_and_change_nothing(words, said, left, resumed, files):
    before = files(left)
    resumed(left, *words).refused(*said)
    assert files(left) == before


def test_a_horizon_needs_a_run_that_is_continued(small, tmp_path):
    with pytest.raises(UserError, match=r"horizon=keep: .* resume=auto"):
        train_configs([small(horizon="keep")], [tmp_path / "mine"])
    with pytest.raises(UserError, match=r"horizon=hold: .* holds no run to make longer"):
        train_configs([small(horizon="hold", resume="auto")], [tmp_path / "mine"])
    assert not layout.has_run_files(tmp_path / "mine")


def test_a_folder_without_a_run_is_named(tmp_path, resumed):
    resumed(tmp_path / "nothing").refused(str(tmp_path / "nothing"))
    (tmp_path / "empty").mkdir()
    resumed(tmp_path / "empty", "total_steps=512").refused("neither a run nor a sweep")
    assert not (tmp_path / "nothing").exists() and list((tmp_path / "empty").iterdir()) == []


# Learning rates. The run has T = 8 iterations and is made 16 long; lr = 3e-4 throughout.
LR = 3e-4
LINEAR = [LR * (1 - t / 8) for t in range(8)]
# linear_warmup, warmup 0.25, final 0.5: W = 2 of 8; lr for t < 2, then lr - 0.5 lr (t - 2)/6
WARMUP = [LR if t < 2 else LR * (1 - 0.5 * (t - 2) / 6) for t in range(8)]
CURVES = {
    "linear": {},
    "linear_warmup": {
        "schedule__actor__curve": "linear_warmup",
        "schedule__critic__curve": "linear_warmup",
        "schedule__warmup": 0.25,
        "schedule__final": 0.5,
    },
}
LONGER = {
    ("linear", "keep"): LINEAR + 8 * [0.0],  # 1 - 8/8 = 0 and stays
    ("linear", "stretch"): LINEAR + [LR * (1 - t / 16) for t in range(8, 16)],
    ("linear", "hold"): LINEAR + 8 * [LR / 8],  # the last update used 1 - 7/8
    ("linear_warmup", "keep"): WARMUP + 8 * [LR * 0.5],
    # W = 4 of 16
    ("linear_warmup", "stretch"): WARMUP + [LR * (1 - 0.5 * (t - 4) / 12) for t in range(8, 16)],
    ("linear_warmup", "hold"): WARMUP + 8 * [LR * (1 - 0.5 * 5 / 6)],
}


def rates(folder):
    table = read(Path(folder) / layout.METRICS_CSV)
    assert table["iteration"].tolist() == list(range(1, len(table["iteration"]) + 1))
    np.testing.assert_array_equal(table["lr/actor"], table["lr/critic"])
    return table["lr/actor"]


def assert_rates(folder, expected):
    np.testing.assert_allclose(rates(folder), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("curve, horizon", every(2, LONGER))
def test_the_rates_of_a_longer_run(curve, horizon, small, tmp_path, resumed, notes):
    folder = tmp_path / "mine"
    train_configs([small(**CURVES[curve])], [folder])
    before = (folder / layout.METRICS_CSV).read_text()
    assert resumed(folder, "total_steps=512", f"horizon={horizon}").code == 0
    assert_rates(folder, LONGER[curve, horizon])
    assert (folder / layout.METRICS_CSV).read_text().startswith(before)
    said = read_summary(folder)
    assert (said["status"], said["iterations"], said["config"]["total_steps"]) == ("finished", 16, 512)
    assert (said["config"]["horizon"], said["segment_length"]) == (horizon, 4)
    (entry,) = said["resumed"]
    assert entry == {"iteration": 8, "horizon": horizon, "total_steps_before": 256, "total_steps": 512}
    (text,) = notes(folder)["horizon"]
    assert all(word in text for word in (horizon, "256", "512"))


@pytest.mark.parametrize("horizon", ["keep", "stretch", "hold"])
def test_made_longer_in_the_middle(horizon, left, resumed):
    """Killed in iteration 6, saved after 3: iterations 3, 4, ... are trained with what was chosen."""
    assert resumed(left, "total_steps=512", f"horizon={horizon}").code == 0
    after = {
        "keep": LINEAR[3:] + 8 * [0.0],
        "stretch": [LR * (1 - t / 16) for t in range(3, 16)],
        "hold": 13 * [LR * (1 - 2 / 8)],  # that of iteration 2, the third and last
    }
    assert_rates(left, LINEAR[:3] + after[horizon])


@pytest.mark.parametrize(
    "first, second, expected",
    [
        thorough("keep", "keep", LINEAR + 16 * [0.0]),
        thorough("keep", "hold", LINEAR + 16 * [0.0]),  # the last update used 0
        ("keep", "stretch", LINEAR + 8 * [0.0] + [LR * (1 - t / 24) for t in range(16, 24)]),
        thorough("hold", "keep", LINEAR + 16 * [LR / 8]),  # the slope that was chosen last is none
        thorough("hold", "hold", LINEAR + 16 * [LR / 8]),
        ("hold", "stretch", LINEAR + 8 * [LR / 8] + [LR * (1 - t / 24) for t in range(16, 24)]),
        thorough("stretch", "keep", LINEAR + [LR * (1 - t / 16) for t in range(8, 16)] + 8 * [0.0]),
        thorough("stretch", "hold", LINEAR + [LR * (1 - t / 16) for t in range(8, 16)] + 8 * [LR / 16]),
        (
            "stretch",
            "stretch",
            LINEAR + [LR * (1 - t / 16) for t in range(8, 16)] + [LR * (1 - t / 24) for t in range(16, 24)],
        ),
    ],
)
def test_made_longer_twice(first, second, expected, whole, resumed, tmp_path, notes):
    folder = Path(shutil.copytree(whole, tmp_path / "mine"))
    assert resumed(folder, "total_steps=512", f"horizon={first}").code == 0
    assert resumed(folder, "total_steps=768", f"horizon={second}").code == 0
    assert_rates(folder, expected)
    said = read_summary(folder)
    assert [entry["horizon"] for entry in said["resumed"]] == [first, second]
    assert [entry["iteration"] for entry in said["resumed"]] == [8, 16]
    assert len(notes(folder)["horizon"]) == 2
    assert resumed(folder).code == 0  # nothing is left to do


@pytest.mark.parametrize("horizon", ["keep", "stretch", "hold"])
@pytest.mark.parametrize("iteration", [9, thorough(11)])
def test_killed_after_it_was_made_longer(horizon, iteration, once, killed, resumed, notes, tmp_path):
    """In the first iteration (9) nothing has been saved since the run became longer."""
    whole = Path(shutil.copytree(once[0].folder, tmp_path / "whole"))
    longer = rich_config(total_steps=512, horizon=horizon, resume="auto")
    _, left = killed(tmp_path, longer, iteration)
    assert read_summary(left)["config"]["total_steps"] == 512
    assert resumed(left).code == 0
    assert_rates(left, LONGER["linear", horizon])
    assert recorded_differences(left, whole) == []
    said = read_summary(left)
    assert (said["config"]["horizon"], said["segment_length"]) == (horizon, 4)
    assert [entry.get("horizon") for entry in said["resumed"]] == [horizon, None]
    assert notes(left) == notes(whole)
    assert len(notes(left)["horizon"]) == 1


def test_the_choice_may_be_repeated_while_the_longer_run_is_unfinished(once, killed, resumed, tmp_path):
    whole = Path(shutil.copytree(once[0].folder, tmp_path / "whole"))
    _, left = killed(tmp_path, rich_config(total_steps=512, horizon="hold", resume="auto"), 11)
    assert resumed(left, "total_steps=512", "horizon=hold").code == 0
    assert recorded_differences(left, whole) == []


def test_made_longer_before_anything_was_saved(killed, small, resumed, tmp_path):
    """It starts anew, but the old slope is the one it was begun with; there is no rate yet that could be held."""
    _, left = killed(tmp_path, small(), 2)
    assert not (left / layout.CHECKPOINTS / layout.LATEST).exists()
    resumed(left, "total_steps=512", "horizon=hold").refused("horizon=hold", "no update yet")
    assert resumed(left, "total_steps=512", "horizon=keep").code == 0
    assert_rates(left, LINEAR + 8 * [0.0])
    assert read_summary(left)["segment_length"] == 4
    assert [entry["horizon"] for entry in read_summary(left)["resumed"]] == ["keep"]


def test_a_longer_run_is_cut_where_it_was_cut_before(small, tmp_path, resumed, push):
    """Segments of 4 iterations: cuts after 4, 8 and 12, and the slots are reset from the seeds of segments 0 to 3."""
    config = small(env__id="tests/Push-v0")
    train_configs([config], [tmp_path / "mine"])
    push.resets.clear()
    assert resumed(tmp_path / "mine", "total_steps=512", "horizon=keep").code == 0
    streams = MemberStreams([0], Spaces(5, 1, continuous=True))
    seeds = [[int(seed) for seed in streams.env_seeds(segment, 2)] for segment in range(4)]
    met = [seed for seed in push.resets if any(seed in pair for pair in seeds)]
    assert met == seeds[2] + seeds[3]


def test_evaluations_of_the_first_part_stay(whole, resumed, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "mine"))
    before = (folder / layout.EVALUATIONS_CSV).read_text()
    assert resumed(folder, "total_steps=512", "horizon=keep").code == 0
    after = (folder / layout.EVALUATIONS_CSV).read_text()
    assert after.startswith(before)
    points = read(folder / layout.EVALUATIONS_CSV)["iteration"]
    assert (np.diff(points) > 0).all() and points[-1] == 16


def test_train_py_makes_a_run_longer(words, train_in, tmp_path):
    assert train_in(tmp_path, *words(), "hydra.run.dir=mine").code == 0
    longer = words(total_steps=512)
    train_in(tmp_path, *longer, "hydra.run.dir=mine", "resume=auto").refused("total_steps=512", "horizon=keep")
    train_in(tmp_path, *longer, "hydra.run.dir=mine", "horizon=keep").refused("resume=auto")
    train_in(tmp_path, *longer, "hydra.run.dir=new", "horizon=keep", "resume=auto").refused("no run to make longer")
    assert not (tmp_path / "new").exists()
    assert train_in(tmp_path, *longer, "hydra.run.dir=mine", "resume=auto", "horizon=stretch").code == 0
    assert_rates(tmp_path / "mine", LONGER["linear", "stretch"])
