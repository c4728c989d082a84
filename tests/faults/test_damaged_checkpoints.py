"""A checkpoint that is not what was saved is named and refused; nothing is changed, and no code in it runs."""

import json
import os
import pickle
import random
import shutil
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from small_runs import rich_config
from trained import train_configs
from variants import every

from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.runs import layout
from rl_decay.training import checkpoints


class Payload:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def latest(left):
    return left / layout.CHECKPOINTS / layout.LATEST


@pytest.fixture
def content(latest):
    return checkpoints.load(latest)


def loads(path):
    """The content of a checkpoint, or None if it was refused by name."""
    try:
        return checkpoints.load(path)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")
        return None


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other) and (one.dtype, one.requires_grad) == (other.dtype, other.requires_grad)
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def test_a_truncated_checkpoint_is_refused_wherever_it_was_cut(latest):
    data = latest.read_bytes()
    for length in {*range(0, len(data), len(data) // 100), *range(len(data) - 64, len(data))}:
        latest.write_bytes(data[:length])
        assert loads(latest) is None, length


def test_a_flipped_bit_is_refused_or_changes_nothing(latest, content):
    data, chosen = latest.read_bytes(), random.Random(0)
    places = {*range(96), *range(len(data) - 192, len(data)), *chosen.sample(range(len(data)), 500)}
    refused = 0
    for place in sorted(places):
        bit = chosen.randrange(8)
        damaged = bytearray(data)
        damaged[place] ^= 1 << bit
        latest.write_bytes(damaged)
        read = loads(latest)
        assert read is None or same(read, content), (place, bit)
        refused += read is None
    assert refused > 50  # the others lie in padding and in the zip file's descriptions


def test_a_flipped_bit_in_a_weight_or_in_the_plain_values_is_refused(latest, content):
    data = latest.read_bytes()
    weights = content["agent"]["actor"]["parameters"].numpy().tobytes()[:16]
    for found in (weights, b"fingerprint"):
        place = data.index(found)
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            latest.write_bytes(damaged)
            assert loads(latest) is None, (found, bit)


@pytest.mark.parametrize("bit", every(4, range(8)))
def test_a_flipped_bit_in_the_pickle_is_refused_even_where_the_zip_file_is_sound(latest, content, bit, tmp_path):
    """Every byte of the pickle in turn; the container, made anew, has sums that fit."""
    with zipfile.ZipFile(latest) as saved:
        parts = {name: saved.read(name) for name in saved.namelist()}
    (name,) = [name for name in parts if name.endswith("data.pkl")]
    places = range(bit, len(parts[name]), 40)
    for place in places:
        damaged = bytearray(parts[name])
        damaged[place] ^= 1 << bit
        with zipfile.ZipFile(latest, "w") as container:
            for part, data in parts.items():
                container.writestr(part, bytes(damaged) if part == name else data)
        read = loads(latest)
        assert read is None or same(read, content), (place, bit)


def empty(path, content, tmp_path):
    path.write_bytes(b"")
    return ["not a readable rl_decay checkpoint", "delete it to start the run anew"]


def truncated(path, content, tmp_path):
    path.write_bytes(path.read_bytes()[:-1000])
    return ["not a readable rl_decay checkpoint", "delete it to start the run anew"]


def changed(path, content, tmp_path):
    head = {"schema_version": checkpoints.CHECKPOINT_VERSION, "sha256": checkpoints.content_sha256(content)}
    content["agent"]["actor"]["parameters"][0, 0] += 1
    torch.save(head | content, path)
    return ["damaged", "SHA-256"]


def text(path, content, tmp_path):
    path.write_text("no checkpoint at all\n")
    return ["not a readable rl_decay checkpoint"]


def foreign_zip(path, content, tmp_path):
    with zipfile.ZipFile(path, "w") as container:
        container.writestr("readme.txt", "hello")
    return ["not a readable rl_decay checkpoint"]


def foreign_state_dict(path, content, tmp_path):
    torch.save(torch.nn.Linear(2, 3).state_dict(), path)
    return ["not a readable rl_decay checkpoint"]


def foreign_tensor(path, content, tmp_path):
    torch.save(torch.zeros(3), path)
    return ["not a readable rl_decay checkpoint"]


def foreign_list(path, content, tmp_path):
    torch.save([1, 2, 3], path)
    return ["not a readable rl_decay checkpoint"]


def foreign_with_our_version(path, content, tmp_path):
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION, "state": {"w": torch.zeros(3)}}, path)
    return ["damaged", "SHA-256"]


def foreign_with_gradients(path, content, tmp_path):
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION, "w": torch.nn.Parameter(torch.zeros(3))}, path)
    return []


def foreign_bfloat16(path, content, tmp_path):
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION, "w": torch.zeros(3, dtype=torch.bfloat16)}, path)
    return []


def signed_but_incomplete(path, content, tmp_path):
    checkpoints.save(path, {"config": content["config"], "iteration": 3})
    return []


def without_configuration(path, content, tmp_path):
    checkpoints.save(path, {"agent": content["agent"]})
    return []


def newer(path, content, tmp_path):
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION + 1, **content}, path)
    own = checkpoints.CHECKPOINT_VERSION
    return [f"schema version {own + 1} is newer than this program's {own}"]


def older(path, content, tmp_path):
    torch.save({"schema_version": 1, **content}, path)
    return [f"schema version 1 is too old for this program's {checkpoints.CHECKPOINT_VERSION}"]


def payload(path, content, tmp_path):
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION, **content, "x": Payload(tmp_path / "ran")}, path)
    return ["not a readable rl_decay checkpoint"]


def payload_without_zip(path, content, tmp_path):
    saved = {"schema_version": checkpoints.CHECKPOINT_VERSION, **content, "x": Payload(tmp_path / "ran")}
    torch.save(saved, path, _use_new_zipfile_serialization=False)
    return ["not a readable rl_decay checkpoint"]


def bare_pickle(path, content, tmp_path):
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    return ["not a readable rl_decay checkpoint"]


def best(path, content, tmp_path):
    shutil.copy(path.with_name(layout.BEST), path)
    return ["a copy of best.pt"]


DAMAGES = (
    *(empty, truncated, changed, text),
    *(foreign_zip, foreign_state_dict, foreign_tensor, foreign_list, foreign_with_our_version),
    *(foreign_with_gradients, foreign_bfloat16, signed_but_incomplete, without_configuration),
    *(newer, older, payload, payload_without_zip, bare_pickle),
)


@pytest.mark.parametrize("damage", (*DAMAGES, best))
def test_resume_names_the_checkpoint_and_changes_nothing(damage, latest, content, resumed, files, tmp_path):
    said = damage(latest, content, tmp_path)
    left = latest.parents[1]
    before = files(left)
    resumed(left).refused(str(latest), *said)
    assert files(left) == before
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", every(3, DAMAGES))
def test_branching_names_the_checkpoint_and_leaves_no_run(damage, latest, content, small, tmp_path):
    said = damage(latest, content, tmp_path)
    with pytest.raises(UserError) as refused:
        train_configs([small(init_from=str(latest))], [tmp_path / "branch"])
    assert all(word in str(refused.value) for word in (str(latest), *said))
    assert not (tmp_path / "ran").exists()
    assert not layout.is_run(tmp_path / "branch")


@pytest.mark.parametrize("kind", [payload, payload_without_zip, bare_pickle])
def test_the_payload_would_have_run_and_no_door_lets_it(kind, latest, content, left, resumed, tmp_path):
    kind(latest, content, tmp_path)
    with pytest.raises(UserError, match="not a readable"):
        load_policy(left, "latest")
    resumed(left)
    assert not (tmp_path / "ran").exists()
    with suppress(RuntimeError):  # a bare pickle is no torch file, which is found out after it ran
        torch.load(latest, weights_only=False)
    assert (tmp_path / "ran").is_dir()


def test_the_way_out_is_the_newest_numbered_copy_and_it_works(small, killed, resumed, different, tmp_path):
    whole, left = killed(tmp_path, small(checkpoint__keep=2), 7)
    folder = left / layout.CHECKPOINTS
    (folder / layout.LATEST).write_bytes(b"")
    resumed(left).refused("copy iteration_000000006.pt over it")
    (folder / "iteration_000000006.pt").unlink()  # say it is damaged too
    resumed(left).refused("copy iteration_000000003.pt over it")
    shutil.copy(folder / "iteration_000000003.pt", folder / layout.LATEST)
    assert resumed(left).code == 0
    assert different(left, whole.folder) == []


def test_a_deleted_checkpoint_starts_the_run_anew(left, latest, resumed, different, whole):
    latest.unlink()
    assert resumed(left).code == 0
    assert different(left, whole) == []


def test_the_checkpoint_of_another_run_is_refused_by_what_tells_them_apart(left, latest, resumed, files, tmp_path):
    train_configs([rich_config(seed=1)], [tmp_path / "other"])
    shutil.copy(tmp_path / "other" / layout.CHECKPOINTS / layout.LATEST, latest)
    before = files(left)
    resumed(left).refused(str(latest), "another run", "seed=1")
    assert files(left) == before


def test_the_checkpoint_of_a_longer_life_of_the_same_run_is_refused(left, latest, whole, resumed, files):
    shutil.copy(whole / layout.CHECKPOINTS / layout.LATEST, latest)  # its rows are not here
    before = files(left)
    resumed(left).refused("rows are missing")
    assert files(left) == before


@pytest.mark.parametrize("name", [layout.METRICS_CSV, layout.EVALUATIONS_CSV, "event file"])
@pytest.mark.parametrize("how", ["shorter", "gone"])
def test_missing_rows_are_refused_before_anything_is_cut(name, how, left, resumed, files):
    path = next(left.glob(f"{layout.EVENTS}*")) if name == "event file" else left / name
    for other in (layout.METRICS_CSV, layout.EVALUATIONS_CSV, "events.out.tfevents.9999999999.later.1.0"):
        if other != path.name:
            with open(left / other, "a") as file:  # what was written after the checkpoint
                file.write("1,2,3\n")
    if how == "gone":
        path.unlink()
    else:
        os.truncate(path, 10)
    before = files(left)
    resumed(left).refused(str(path), "rows are missing")
    assert files(left) == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}'])
def test_a_damaged_summary_is_refused_by_name_and_nothing_is_changed(text, left, resumed, files):
    (left / layout.SUMMARY).write_text(text)
    before = files(left)
    resumed(left).refused(str(left / layout.SUMMARY))
    assert files(left) == before


def test_a_summary_of_a_later_version_names_the_unknown_key(left, resumed, files):
    said = json.loads((left / layout.SUMMARY).read_text())
    said["config"]["algo.magic"] = 1
    (left / layout.SUMMARY).write_text(json.dumps(said))
    before = files(left)
    resumed(left).refused("algo.magic")
    assert files(left) == before


def test_a_checkpoint_without_its_summary_is_not_cleared_away(whole, small, tmp_path):
    folder = Path(shutil.copytree(whole, tmp_path / "run"))
    (folder / layout.SUMMARY).unlink()
    with pytest.raises(UserError, match=r"there is no summary\.json"):
        train_configs([small(resume="auto")], [folder])
    assert (folder / layout.CHECKPOINTS / layout.LATEST).exists()
