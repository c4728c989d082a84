"""python -m rl_decay.evaluate: a finished run plays again what it played."""

import shutil
import sys

import numpy as np
import pytest
import torch
from trained import train_configs

from rl_decay.config.schema import Config, Env
from rl_decay.evaluate.__main__ import main
from rl_decay.evaluate.policy import load_policy
from rl_decay.evaluate.replay import replay
from rl_decay.runs.summary import write_summary
from rl_decay.runs.tables import read
from rl_decay.training import checkpoints


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of CartPole whose best evaluation is not its last."""
    config = Config(device="cpu", total_steps=8 * 128, seed=1)
    config.env.num_envs, config.algo.num_steps, config.algo.minibatches = 4, 32, 2
    config.actor.lr = config.critic.lr = 1e-2
    config.evaluation.episodes = 3
    config.logger.tensorboard = False
    (result,) = train_configs([config], [tmp_path_factory.mktemp("run") / "mine"])
    means = read(result.folder / "evaluations.csv")["return_mean"]
    assert means.argmax() < len(means) - 1
    return result.folder


def returns(folder, row):
    table = read(folder / "evaluations.csv")
    return np.array([[table[f"return_{i}"][row] for i in range(3)]])


def test_the_latest_policy_plays_the_last_evaluation_again(finished):
    again = replay(load_policy(finished))
    assert (again.returns == returns(finished, -1)).all()
    assert again.lengths.mean() == read(finished / "evaluations.csv")["episode_length"][-1]


@pytest.mark.parametrize("vec", ["sync", "async"])
def test_so_does_a_policy_of_parts_and_components(vec, configure, train):
    config = configure(env__id="tests/Panel-v0", env__kwargs={"action": "dials"}, vec=vec, evaluation__episodes=3)
    (result,) = train(config)
    assert (replay(load_policy(result.folder)).returns == returns(result.folder, -1)).all()


def test_the_best_policy_plays_the_best_evaluation_again(finished):
    best = read(finished / "evaluations.csv")["return_mean"].argmax()
    assert (replay(load_policy(finished, "best")).returns == returns(finished, best)).all()


def test_more_episodes_begin_with_the_same_ones(finished):
    again = replay(load_policy(finished), 5)
    assert again.returns.shape == (1, 5)
    assert (again.returns[:, :3] == returns(finished, -1)).all()


def test_the_command_prints_what_it_measured(finished, capsys):
    assert main([str(finished)]) == 0
    out, err = capsys.readouterr()
    row = read(finished / "evaluations.csv")
    assert err == "" and "CartPole-v1 after iteration 8" in out
    numbers = out.split()[out.split().index("score") + 2 :]
    assert numbers[:3] == ["3", f"{row['return_mean'][-1]:.1f}", f"{row['return_std'][-1]:.1f}"]
    assert numbers[-1] == f"{row['score'][-1]:.3f}"


@pytest.mark.parametrize("name", ["best", "path"])
def test_another_checkpoint_may_be_named(finished, tmp_path, capsys, name):
    copy = tmp_path / "any name.pt"
    shutil.copy(finished / "checkpoints" / "best.pt", copy)
    assert main([str(finished), "--checkpoint", name if name == "best" else str(copy), "--episodes", "2"]) == 0
    iteration = torch.load(copy, weights_only=True)["iteration"]
    assert f"after iteration {iteration}" in capsys.readouterr().out


@pytest.fixture
def refused(capsys):
    """Run the command, which must refuse; returns its single line."""

    def run(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line

    return run


def test_a_missing_folder_is_named(refused, tmp_path):
    assert str(tmp_path / "nothing") in refused(tmp_path / "nothing")


def test_a_folder_that_holds_no_run_is_named(refused, tmp_path):
    assert f"{tmp_path}: no run folder" in refused(tmp_path)


def test_a_run_without_checkpoint_is_named(refused, tmp_path):
    write_summary(tmp_path, {"status": "failed"})
    assert "latest.pt: no such checkpoint" in refused(tmp_path)


def test_a_missing_checkpoint_is_named(refused, finished, tmp_path):
    assert f"{tmp_path}/none.pt: no such checkpoint" in refused(finished, "--checkpoint", tmp_path / "none.pt")


@pytest.mark.parametrize("keep", [0, 100, -100], ids=["empty", "short", "cut"])
def test_a_damaged_checkpoint_is_named(refused, finished, tmp_path, keep):
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes((finished / "checkpoints" / "latest.pt").read_bytes()[:keep])
    assert f"{damaged}: not a readable" in refused(finished, "--checkpoint", damaged)


@pytest.mark.parametrize("content", [{"weights": torch.zeros(2)}, [1, 2]], ids=["dict", "list"])
def test_a_foreign_checkpoint_is_named(refused, finished, tmp_path, content):
    torch.save(content, tmp_path / "foreign.pt")
    assert f"{tmp_path}/foreign.pt: not a readable" in refused(finished, "--checkpoint", tmp_path / "foreign.pt")


def test_a_checkpoint_of_a_later_version_is_named(refused, finished, tmp_path):
    torch.save({"schema_version": 999}, tmp_path / "later.pt")
    assert "999" in refused(finished, "--checkpoint", tmp_path / "later.pt")


def test_a_task_that_is_gone_is_named(refused, finished, tmp_path):
    content = checkpoints.load(finished / "checkpoints" / "latest.pt")
    content["config"]["env.id"] = "gone:Gone-v0"
    checkpoints.save(tmp_path / "gone.pt", content)
    assert "env.id=gone:Gone-v0" in refused(finished, "--checkpoint", tmp_path / "gone.pt")


@pytest.mark.parametrize("option", ["--episodes", "--max-steps"])
@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_count_is_a_number_from_1(finished, capsys, count, option):
    with pytest.raises(SystemExit):
        main([str(finished), option, count])
    assert option in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("module", ["moviepy.video.io.ImageSequenceClip", "pygame"])
def test_a_video_without_its_packages_names_the_extra(refused, finished, tmp_path, monkeypatch, module):
    if module == "pygame":
        monkeypatch.setitem(sys.modules, "moviepy.video.io.ImageSequenceClip", type(sys)("clip"))
        sys.modules["moviepy.video.io.ImageSequenceClip"].ImageSequenceClip = None
    monkeypatch.setitem(sys.modules, module, None)  # importing it now fails
    line = refused(finished, "--video", tmp_path / "episode.mp4")
    assert "--video" in line and "video" in line and "pip install" in line
    assert not (tmp_path / "episode.mp4").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_video_is_a_file_with_an_episode_in_it(finished, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    assert main([str(finished), "--video", str(tmp_path / "episode.mp4")]) == 0
    assert (tmp_path / "episode.mp4").stat().st_size > 1000
    assert f"return {returns(finished, -1)[0, 0]:.1f}" in capsys.readouterr().out


def test_a_run_with_arguments_of_its_task_plays_with_them_again(tmp_path, configure):
    config = configure(env=Env(id="tests/Push-v0", kwargs={"length": 5, "size": 2}, num_envs=2))
    (result,) = train_configs([config], [tmp_path / "mine"])
    policy = load_policy(result.folder)
    assert policy.env.kwargs == {"length": 5, "size": 2}
    assert (replay(policy).lengths <= 5).all()
    assert policy(np.zeros(5)).shape == (2,)
