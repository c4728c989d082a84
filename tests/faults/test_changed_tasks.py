"""A run whose task plays differently when it is continued: it goes on, and says that it is not exact."""

import json
import logging
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from trained import train_configs

from rl_decay.compare.reading import own
from rl_decay.compare.report import provenance
from rl_decay.runs import layout
from rl_decay.runs.summary import read_summary
from rl_decay.training import checkpoints

STEP = 17


class Drifting(gym.Env):
    """A random walk; from step `moved` after a reset on, a copy of the program of today differs."""

    moved: ClassVar[float] = np.inf

    def __init__(self):
        self.observation_space = Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.x = 0, self.np_random.normal(size=3)
        return self._observe(), {}

    def step(self, action):
        self.steps += 1
        self.x = 0.9 * self.x + 0.1 * action.sum() + 0.1 * self.np_random.normal(size=3)
        return self._observe(), 1.0, False, False, {}

    def _observe(self):
        return (self.x + 1e-4 * (self.steps >= Drifting.moved)).astype(np.float32)


gym.register("tests/Drifting-v0", Drifting, disable_env_checker=True, max_episode_steps=50)


@pytest.fixture
def left(killed, small, tmp_path):
    """What was left of a run killed in iteration 6: its checkpoint is inside the first segment, after iteration 3."""
    _, folder = killed(tmp_path, small(env__id="tests/Drifting-v0", segments=1), 6)
    return folder


def continued(folder, small):
    (result,) = train_configs([small(env__id="tests/Drifting-v0", segments=1, resume="auto")], [folder])
    assert result.status == "finished"
    return read_summary(folder)


@pytest.mark.parametrize("step", [0, STEP])
def test_a_replay_that_differs_names_its_step(left, small, monkeypatch, caplog, step):
    monkeypatch.setattr(Drifting, "moved", step)
    caplog.set_level(logging.WARNING)
    said = continued(left, small)
    words = f"the task gave other observations or rewards in step {step} of the replayed segment"
    assert [entry.get("not_exact") for entry in said["resumed"]] == [words]
    assert said["notes"] == [f"not exact: {words}, continued after iteration 3"]
    assert words in caplog.text


def test_a_replay_that_agrees_says_nothing(left, small, caplog):
    said = continued(left, small)
    assert "not_exact" not in said["resumed"][0] and said["notes"] == []
    assert "not exact" not in caplog.text


def test_a_checkpoint_of_a_former_version_is_replayed_as_before(left, small, monkeypatch):
    path = left / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    assert content["digests"].dtype == torch.int32 and content["digests"].shape == (1 + 3 * 16,)
    del content["digests"]
    checkpoints.save(path, content)
    monkeypatch.setattr(Drifting, "moved", STEP)
    assert continued(left, small)["notes"] == []


def test_a_later_continuation_and_the_report_remember_it(left, small, monkeypatch, stopped):
    monkeypatch.setattr(Drifting, "moved", STEP)
    config = small(env__id="tests/Drifting-v0", segments=1, resume="auto", checkpoint__every=1)
    stopped(left, config, 5)
    said = continued(left, small)
    assert ["not_exact" in entry for entry in said["resumed"]] == [True, False]  # today's own steps are repeated today
    (line,) = said["notes"]
    (run,) = own.load([left]).runs
    assert provenance.notes([run]) == [f"tests/Drifting-v0, 1 of 1 runs: {line}"]


def test_a_member_that_differs_is_named_alone(small, killed, monkeypatch, tmp_path):
    """Digests belong to members: one whose checkpoint was altered, here, does not touch its neighbour."""
    configs = [small(env__id="tests/Drifting-v0", segments=1, seed=seed, resume="auto") for seed in range(2)]
    folders = [killed(tmp_path / str(m), config, 6)[1] for m, config in enumerate(configs)]
    path = folders[1] / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    content["digests"][STEP] += 1
    checkpoints.save(path, content)
    train_configs(configs, folders)
    notes = [read_summary(folder)["notes"] for folder in folders]
    assert notes[0] == [] and f"in step {STEP} of" in notes[1][0]


def test_versions_that_a_strangers_summary_names_are_told_on_one_line(left, resumed):
    summary = json.loads((left / layout.SUMMARY).read_text())
    summary["versions"]["torch"] = "1\0\x1b[31m\n2"
    (left / layout.SUMMARY).write_text(json.dumps(summary))
    ended = resumed(left)
    assert (ended.code, ended.err) == (0, "")
    assert "continued with another version: torch 1\\x00\\x1b[31m 2 -> " in ended.out
