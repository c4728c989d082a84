"""Checkpoints: plain content, whole or not at all, and one line for a file that is none."""

import errno
import pickle

import pytest
import torch

from rl_decay.errors import UserError
from rl_decay.runs import layout
from rl_decay.training import checkpoints


def test_a_checkpoint_needs_no_code_to_be_loaded(configure, train):
    (result,) = train(configure(normalize__obs=True, normalize__reward=True))
    path = result.folder / layout.CHECKPOINTS / layout.LATEST
    content = torch.load(path, weights_only=True)
    assert content["iteration"] == 4
    assert content["config"]["algo.num_steps"] == 32
    assert content["fingerprint"] == result.summary["fingerprint"]
    assert set(content["agent"]) == {"alive", "actor", "critic", "obs_moments", "reward_scaler", "probes"}
    assert checkpoints.load(path)["iteration"] == 4
    assert (result.folder / layout.CHECKPOINTS / layout.BEST).is_file()


def test_a_checkpoint_holds_one_member_however_many_there_are(configure, train):
    alone = train(configure(seed=0))[0]
    together = train(*(configure(seed=s) for s in range(8)))[0]
    sizes = [(r.folder / layout.CHECKPOINTS / layout.LATEST).stat().st_size for r in (alone, together)]
    assert sizes[1] < 1.1 * sizes[0]


def test_a_members_state_is_a_copy():
    state = {"a": torch.arange(6.0).view(3, 2), "b": {"c": torch.arange(3)}}
    found = checkpoints.member_state(state, 1)
    state["a"].zero_()
    assert found["a"].tolist() == [[2.0, 3.0]]
    assert found["b"]["c"].tolist() == [1]


def test_numbered_checkpoints_are_the_newest_and_stay_what_they_were(configure, train):
    (result,) = train(configure(checkpoint__every=1, checkpoint__keep=2))
    folder = result.folder / layout.CHECKPOINTS
    numbered = sorted(folder.glob("iteration_*.pt"))
    assert [checkpoints.load(path)["iteration"] for path in numbered] == [3, 4]
    assert {path.name for path in folder.iterdir()} == {layout.LATEST, layout.BEST, *(path.name for path in numbered)}


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "new" / "latest.pt"
    spaces = {"obs_size": 4, "num_actions": 2, "continuous": False}
    checkpoints.save(path, {"config": {}, "spaces": spaces, "iteration": 1, "agent": {}, "x": torch.ones(2)})
    with pytest.raises((AttributeError, pickle.PicklingError)):
        checkpoints.save(path, {"x": lambda: None})
    assert checkpoints.load(path)["x"].tolist() == [1, 1]
    assert [p.name for p in path.parent.iterdir()] == ["latest.pt"]


@pytest.mark.parametrize("content", [{"agent": 1}, [1, 2], 3.5, torch.ones(2), {"schema_version": None}], ids=repr)
def test_a_foreign_checkpoint(content, tmp_path):
    torch.save(content, tmp_path / "foreign.pt")
    with pytest.raises(UserError, match=r"foreign\.pt: not a readable rl_decay checkpoint"):
        checkpoints.load(tmp_path / "foreign.pt")


class Payload:
    """Unpickling it would run code of its own."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_code_is_not_executed(tmp_path):
    torch.save({"schema_version": 1, "x": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(UserError, match="not a readable"):
        checkpoints.load(tmp_path / "evil.pt")


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_damaged_checkpoint(length, tmp_path):
    path = tmp_path / "latest.pt"
    checkpoints.save(path, {"x": torch.ones(1000)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=r"latest\.pt: not a readable rl_decay checkpoint"):
        checkpoints.load(path)


def test_a_missing_checkpoint_and_one_from_the_future(tmp_path):
    with pytest.raises(UserError, match=r"none\.pt: no such checkpoint"):
        checkpoints.load(tmp_path / "none.pt")
    torch.save({"schema_version": 999}, tmp_path / "future.pt")
    with pytest.raises(UserError, match="schema version 999 is newer"):
        checkpoints.load(tmp_path / "future.pt")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (MemoryError(), "out of memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"), "out of memory"),
    ],
    ids=["disk", "Python's memory", "PyTorch's memory"],
)
def test_what_keeps_a_sound_file_from_being_read_is_no_reason_to_delete_it(error, words, monkeypatch, tmp_path):
    path = tmp_path / "latest.pt"
    checkpoints.save(path, {"agent": {}})

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(UserError) as raised:
        checkpoints.load(path)
    line = str(raised.value)
    assert line.startswith(f"{path}: cannot be read (") and words in line
    assert "delete" not in line and "anew" not in line
