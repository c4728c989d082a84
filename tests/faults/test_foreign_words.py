"""Words of somebody else's code are shown on one line, escaped and bounded, wherever they come from."""

import io
import json
import os
import shutil
import subprocess
from contextlib import redirect_stderr, redirect_stdout

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces import Box
from trained import train_configs

from rl_decay.compare.__main__ import main as compare
from rl_decay.config.schema import Env
from rl_decay.envs.spaces import Codec
from rl_decay.errors import UserError, error_words, escaped, one_line, shell_word
from rl_decay.runs import layout
from rl_decay.runs.endings import endings, failures
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import read_summary
from rl_decay.sweeps import workers

WORDS = "a\nb\x1b[31m <script>alert(1)</script> | `code` \ud800\u202e" + "x" * 10_000


class Mute(Exception):  # noqa: N818
    def __str__(self):
        raise RuntimeError("no words")


class Shouting(gym.Env):
    """Raises in its constructor, its reset or its third step."""

    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, where="step", mute=False):
        self.where, self.mute, self.steps = where, mute, 0
        self._shout("constructor")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._shout("reset")
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            self._shout("step")
        return np.zeros(2, np.float32), 0.0, False, False, {}

    def _shout(self, where):
        if self.where == where:
            raise Mute if self.mute else RuntimeError(WORDS)


gym.register("tests/Shouting-v0", Shouting, disable_env_checker=True, max_episode_steps=20)


@pytest.fixture
def shouting(small):
    """A configuration of a task that raises somewhere."""
    return lambda where, vec="sync", **kwargs: small(
        env__id="tests/Shouting-v0", env__kwargs={"where": where, **kwargs}, vec=vec, evaluation__early=0
    )


def assert_plain(text):
    assert text.isprintable() and len(text) < 700
    text.encode()


@pytest.mark.parametrize("vec", ["sync", "async"])
@pytest.mark.parametrize("where", ["constructor", "reset", "step"])
def test_a_tasks_own_words_are_one_line(where, vec, shouting, tmp_path):
    with pytest.raises(UserError) as raised:
        train_configs([shouting(where, vec)], [tmp_path / "mine"])
    assert_plain(str(raised.value))
    assert r"RuntimeError: a b\x1b[31m <script>" in str(raised.value)
    if where == "step":
        assert read_summary(tmp_path / "mine")["reason"] == str(raised.value)


@pytest.mark.parametrize("where", ["constructor", "step"])
def test_an_exception_without_words_is_named(where, shouting, tmp_path):
    with pytest.raises(UserError, match="Mute: a Mute without words"):
        train_configs([shouting(where, mute=True)], [tmp_path / "mine"])


def test_spaces_that_say_too_much(tmp_path):
    class Wordy(gym.Space):
        def __repr__(self):
            return WORDS

    for obs, action in ((Wordy(), Box(-1, 1, (1,))), (Box(-1, 1, (1,)), Wordy())):
        with pytest.raises(UserError) as raised:
            Codec(Env().id, obs, action, rescale=False)
        assert_plain(str(raised.value))


def test_a_program_error_of_a_worker_is_one_line_in_every_summary(small, tmp_path, monkeypatch, capsys):
    def broken(*arguments, **options):
        raise ZeroDivisionError(WORDS.replace("\ud800", ""))  # pytest's standard error cannot take it

    monkeypatch.setattr("rl_decay.sweeps.train_jobs.train_population", broken)
    (tmp_path / "mine").mkdir()
    workers.train([[Job(0, small(), tmp_path / "mine", ())]], 1, lambda progress: None)
    assert_plain(read_summary(tmp_path / "mine")["reason"])
    assert "ZeroDivisionError" in capsys.readouterr().err  # a fault of the program's own shows where it lies


def test_reasons_of_any_record_are_escaped_where_they_are_shown(whole, tmp_path):
    """The record may be an old one, or a stranger's."""
    for name, status in (("good", "finished"), ("bad", "failed")):
        folder = tmp_path / "sweep" / name
        shutil.copytree(whole, folder)
        summary = json.loads((folder / layout.SUMMARY).read_text())
        words = WORDS.replace("\ud800", "")  # no JSON reader takes it
        (folder / layout.SUMMARY).write_text(json.dumps(summary | {"status": status, "reason": words}))
    (line,) = failures(endings(tmp_path / "sweep", [tmp_path / "sweep" / "bad"]))
    assert_plain(line)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert compare([str(tmp_path / "sweep")]) == 0
    assert err.getvalue() == "" and "\x1b" not in out.getvalue() and "\u202e" not in out.getvalue()
    assert r"not compared" in out.getvalue() and r"a b\x1b[31m" in out.getvalue()
    report = (tmp_path / "sweep" / "report" / "report.md").read_text()
    assert "\x1b" not in report and r"\<script\>" in report and r"\|" in report and r"\`code\`" in report
    page = (tmp_path / "sweep" / "report" / "index.html").read_text()
    assert "\x1b" not in page and "<script" not in page and "&lt;script&gt;" in page


def test_every_character_is_printable_afterwards():
    text = "".join(map(chr, [*range(0x250), 0xD800, 0xDCFF, 0x2028, 0x202E, 0xFEFF, 0x1F600, 0xE0001]))
    for words in (escaped(text), one_line(text, 10_000), one_line(text), error_words(ValueError(text))):
        assert words.isprintable() and words.encode()
    assert "é" in escaped(text) and "😀" in escaped(text)  # what can be printed stays
    assert str(UserError(text)) == escaped(text) == escaped(escaped(text))
    assert len(one_line(text)) == 400


@pytest.mark.parametrize("name", ["plain", "my run", "it's", "a\nb", "a\\b\x1b'c", b"\xff\xfe \x01"], ids=repr)
def test_a_word_for_the_shell_reads_back_as_the_same_bytes(name, tmp_path):
    text = os.fsdecode(name)
    word = shell_word(text)
    assert word.isprintable()
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(text)
