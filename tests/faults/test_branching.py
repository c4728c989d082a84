"""`init_from`: a new run with the weights of a checkpoint and everything else new."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from compared_runs import recorded_differences
from small_runs import rich_config
from trained import train_configs

from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams
from rl_decay.runs import layout
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary, write_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints
from rl_decay.training.population import member
from rl_decay.training.start_point import StartPoint, load_agents
from rl_decay.types import Spaces

SPACES = Spaces(3, 1, continuous=True)


@pytest.fixture
def source(whole):
    """The last checkpoint of a run of eight iterations."""
    return whole / layout.CHECKPOINTS / layout.LATEST


def start_point(config):
    """The beginning of a new run."""
    return StartPoint(Job(0, config, Path("new")), RunFolder("new"))


def fresh(*configs):
    """The agents of new runs as they are before their first iteration."""
    streams = MemberStreams([config.seed for config in configs], SPACES)
    members = [member(config) for config in configs]
    return PPO(configs[0], SPACES, members, streams.init_seeds(), torch.device("cpu"))


def equal(one, other):
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    return torch.equal(one, other)


def test_a_branch_has_the_weights_and_moments_of_the_checkpoint_and_a_new_optimizer(small, source):
    config = small(init_from=str(source), seed=5)
    ppo, untouched = fresh(config), fresh(config).state_dict()
    load_agents(ppo, [start_point(config)])
    begun, old = ppo.state_dict(), checkpoints.load(source)["agent"]
    for group in ("actor", "critic"):
        assert torch.equal(begun[group]["parameters"], old[group]["parameters"])
        assert not torch.equal(begun[group]["parameters"], untouched[group]["parameters"])
        rest = begun[group].keys() - {"parameters"}
        assert rest and all(equal(begun[group][key], untouched[group][key]) for key in rest)
        assert any(not equal(old[group][key], untouched[group][key]) for key in rest)  # the source has trained
    assert equal(begun["obs_moments"], old["obs_moments"])
    running = begun["reward_scaler"].pop("running")
    assert torch.count_nonzero(running) == 0
    old["reward_scaler"].pop("running")
    assert equal(begun["reward_scaler"], old["reward_scaler"])


def test_a_branch_begins_its_own_schedule_and_counts_from_zero(small, source, tmp_path):
    (result,) = train_configs([small(init_from=str(source))], [tmp_path / "branch"])
    table = read(tmp_path / "branch" / layout.METRICS_CSV)
    assert result.status == "finished"
    assert table["iteration"].tolist() == list(range(1, 9)) and table["env_steps"][0] == 32
    # linear, T = 8: 3e-4 (1 - t/8)
    assert table["lr/actor"].tolist() == pytest.approx([3e-4 * (1 - t / 8) for t in range(8)], rel=1e-6)


def test_a_branch_says_where_it_comes_from_and_leaves_its_source_alone(small, source, tmp_path, files):
    before = files(source.parents[1])
    train_configs([small(init_from=str(source))], [tmp_path / "branch"])
    said = read_summary(tmp_path / "branch")
    assert said["config"]["init_from"] == str(source)
    saved = checkpoints.load(tmp_path / "branch" / layout.CHECKPOINTS / layout.LATEST)
    assert saved["config"]["init_from"] == str(source)
    assert said["fingerprint"] != read_summary(source.parents[1])["fingerprint"]
    assert files(source.parents[1]) == before


def test_a_branch_learns_something_else_than_a_run_from_scratch(small, source, whole, tmp_path, different):
    train_configs([small(init_from=str(source))], [tmp_path / "branch"])
    assert different(tmp_path / "branch", whole) != []


def test_a_branch_may_change_what_its_weights_do_not_depend_on(small, source, tmp_path):
    values = {"algo__clip": 0.1, "actor__lr": 1e-3, "schedule__actor__curve": "none", "algo__num_steps": 32, "seed": 9}
    (result,) = train_configs([small(init_from=str(source), **values)], [tmp_path / "branch"])
    assert result.status == "finished"


@pytest.mark.parametrize(
    "key, value",
    [
        ("net__hidden", [8, 8]),
        ("net__hidden", [16]),
        ("net__activation", "relu"),
        ("net__squash", "tanh"),
        ("normalize__obs", False),
        ("normalize__reward", False),
    ],
)
def test_another_network_or_normalisation_is_refused_by_name(key, value, small, source, tmp_path):
    with pytest.raises(UserError, match=f"init_from={source}: .*{key.replace('__', '.')}="):
        train_configs([small(init_from=str(source), **{key: value})], [tmp_path / "branch"])
    assert not layout.has_run_files(tmp_path / "branch")


@pytest.mark.parametrize("task", ["tests/Push-v0", "CartPole-v1"])
def test_a_task_of_other_sizes_is_refused_by_name(task, small, source, tmp_path):
    with pytest.raises(UserError, match=r"init_from=.*tests/Faulty-v0"):
        train_configs([small(init_from=str(source), env__id=task)], [tmp_path / "branch"])
    assert not layout.has_run_files(tmp_path / "branch")


def test_a_missing_checkpoint_is_named(small, tmp_path):
    for path in (tmp_path / "nothing.pt", tmp_path):
        with pytest.raises(UserError, match=f"{path}: no such checkpoint"):
            train_configs([small(init_from=str(path))], [tmp_path / "branch"])
    assert not layout.has_run_files(tmp_path / "branch")


def test_train_py_refuses_in_one_line_and_leaves_no_folder(words, train_in, tmp_path):
    train_in(tmp_path, *words(), "init_from=nothing.pt", "hydra.run.dir=branch").refused("nothing.pt")
    assert not (tmp_path / "branch").exists()


def test_train_py_branches(words, train_in, source, tmp_path):
    shutil.copy(source, tmp_path / "source.pt")
    assert train_in(tmp_path, *words(), "init_from=source.pt", "hydra.run.dir=branch").code == 0
    assert json.loads((tmp_path / "branch" / layout.SUMMARY).read_text())["status"] == "finished"


def test_members_of_a_population_branch_each_from_its_own(small, source, tmp_path, different):
    best = source.with_name(layout.BEST)
    configs = [small(init_from=str(source)), small(), small(init_from=str(best), seed=3)]
    ppo = fresh(*configs)
    load_agents(ppo, [start_point(config) for config in configs])
    state, untouched = ppo.state_dict(), fresh(*configs).state_dict()
    for m, expected in ((0, source), (2, best)):
        for group in ("actor", "critic"):
            own = checkpoints.member_state(state, m)[group]["parameters"]
            assert torch.equal(own, checkpoints.load(expected)["agent"][group]["parameters"])
    assert equal(checkpoints.member_state(state, 1), checkpoints.member_state(untouched, 1))
    folders = [tmp_path / f"together{m}" for m in range(3)]
    train_configs(configs, folders)
    for m, config in enumerate(configs):
        train_configs([config], [tmp_path / f"alone{m}"])
        assert different(folders[m], tmp_path / f"alone{m}") == []


@pytest.mark.parametrize("iteration", [2, 6])
def test_a_branch_that_was_killed_continues_exactly(iteration, source, killed, resumed, tmp_path):
    """In iteration 2 nothing has been saved: it branches again."""
    whole, left = killed(tmp_path, rich_config(init_from=str(source)), iteration)
    assert resumed(left).code == 0
    assert recorded_differences(left, whole.folder) == []


def test_a_branch_with_a_checkpoint_needs_its_source_no_more(source, killed, resumed, tmp_path):
    copy = tmp_path / "source.pt"
    shutil.copy(source, copy)
    whole, left = killed(tmp_path, rich_config(init_from=str(copy)), 6)
    copy.unlink()
    assert resumed(left).code == 0
    assert recorded_differences(left, whole.folder) == []


def test_a_relative_path_is_one_of_the_folder_where_the_command_is_typed(
    source, killed, resumed, tmp_path, monkeypatch
):
    """Killed before its first checkpoint a run branches again, from whatever folder; older runs recorded the path as it
    was typed, and branch from the folder they were begun in.
    """
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    shutil.copy(source, tmp_path / "here" / "source.pt")
    monkeypatch.chdir(tmp_path / "here")
    whole, left = killed(tmp_path, rich_config(init_from="source.pt"), 2)
    older = Path(shutil.copytree(left, tmp_path / "older"))
    summary = read_summary(older)
    summary["config"]["init_from"] = "source.pt"
    write_summary(older, summary)
    monkeypatch.chdir(tmp_path / "there")
    assert resumed(left).code == 0
    resumed(older).refused("source.pt: no such checkpoint")
    monkeypatch.chdir(tmp_path / "here")
    assert resumed(older).code == 0
    assert recorded_differences(left, whole.folder) == recorded_differences(older, whole.folder) == []


@pytest.mark.parametrize("kwargs", [{"size": 2}, {"length": 9}])
def test_weights_for_other_actions_are_refused_though_padding_makes_their_arrays_equal(kwargs, small, tmp_path):
    """Two forces instead of one: a head has at least two columns. Another length changes no size, and may be."""
    train_configs([small(env__id="tests/Push-v0")], [tmp_path / "source"])
    path = str(tmp_path / "source" / layout.CHECKPOINTS / layout.LATEST)
    branch = small(env__id="tests/Push-v0", env__kwargs=kwargs, init_from=path)
    if "size" in kwargs:
        with pytest.raises(UserError, match="init_from="):
            train_configs([branch], [tmp_path / "branch"])
        assert not layout.has_run_files(tmp_path / "branch")
    else:
        assert train_configs([branch], [tmp_path / "branch"])[0].status == "finished"


def test_a_run_may_branch_from_its_own_past_into_a_new_folder_only(small, left, source, tmp_path, files):
    before = files(left)
    own = left / layout.CHECKPOINTS / layout.LATEST
    with pytest.raises(UserError, match=r"init_from=.*another value is another run"):
        train_configs([small(init_from=str(own), resume="auto")], [left])
    assert files(left) == before
