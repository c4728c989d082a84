"""A checkpoint that is sound as a file and holds something else than its run would have saved is refused by name."""

import shutil
import zipfile

import pytest
import torch
from small_runs import rich_config
from trained import train_configs
from variants import thorough

from rl_decay.errors import UserError
from rl_decay.evaluate.policy import load_policy
from rl_decay.runs import layout
from rl_decay.training import checkpoints
from rl_decay.training.content import MAX_NODES, check_size


@pytest.fixture
def latest(left):
    return left / layout.CHECKPOINTS / layout.LATEST


def leaves(content, path=()):
    """The place of every tensor and plain value in nested dicts."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key)


def replaced(content, path, value):
    """A copy of nested dicts with another value at a place."""
    key, *rest = path
    return {**content, key: replaced(content[key], rest, value) if rest else value}


def without(content, path):
    key, *rest = path
    return {**content, key: without(content[key], rest)} if rest else {k: v for k, v in content.items() if k != key}


def others(value):
    """What may stand in the place of a tensor: another shape, type, size or kind."""
    yield from (1.0, "x", [1.0], {})
    if isinstance(value, torch.Tensor):
        yield from (value[:0], torch.cat([value, value]), value.unsqueeze(0), value.to(torch.int16), value.flatten()[0])


def refusals(resumed, left, latest, contents, files):
    """Assert that resume refuses each content by the checkpoint's name and changes nothing."""
    for content in contents:
        checkpoints.save(latest, content)
        before = files(left)
        resumed(left).refused(str(latest))
        assert files(left) == before


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_every_tensor_of_the_agent_must_have_its_shape_and_type(step, left, latest, resumed, files):
    """The checkpoint of iteration 3 of 8 lies inside a segment of 4, so there are actions [48, 2, 1] too."""
    content = checkpoints.load(latest)
    assert content["actions"].shape == (3 * 16, 2, 1)
    places = [path for path in leaves(content) if path[0] in ("agent", "actions", "digests")]
    assert len(places) > 25
    for n, path in enumerate(places):
        value = content
        for key in path:
            value = value[key]
        wrong = [replaced(content, path, other) for other in others(value)]
        if path != ("digests",):  # those that an earlier version saved have none
            wrong += [replaced(content, path, None), without(content, path)]
        refusals(resumed, left, latest, wrong[n % step :: step], files)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_actions_must_be_finite(value, left, latest, resumed, files):
    content = checkpoints.load(latest)
    content["actions"][5, 1, 0] = value
    refusals(resumed, left, latest, [content], files)


@pytest.mark.parametrize("value", [2, 255])
def test_actions_must_be_actions_of_the_task(value, small, stopped, resumed, files, tmp_path):
    folder = stopped(tmp_path / "mine", small(env__id="CartPole-v1"), 3)
    path = folder / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    assert content["actions"].dtype == torch.uint8 and content["actions"].shape == (3 * 16, 2)
    content["actions"][5, 1] = value
    refusals(resumed, folder, path, [content], files)


@pytest.mark.parametrize("component, value", [(0, 3), thorough(1, 5), thorough(1, 255)])
def test_components_must_be_options_of_the_task(component, value, small, stopped, resumed, files, tmp_path):
    task = {"env__id": "tests/Panel-v0", "env__kwargs": {"action": "dials"}}  # of 3 and 5 options
    folder = stopped(tmp_path / "mine", small(**task), 3)
    path = folder / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    assert content["spaces"]["nvec"] == [3, 5]
    assert content["actions"].dtype == torch.uint8 and content["actions"].shape == (3 * 16, 2, 2)
    wrong = [replaced(content, ("spaces", "nvec"), nvec) for nvec in ([5, 3], [], [8], None, "35", [3.0, 5.0])]
    wrong.append(without(content, ("spaces", "nvec")))
    content["actions"][5, 1, component] = value
    refusals(resumed, folder, path, [content, *wrong], files)


def test_a_task_without_components_leaves_a_checkpoint_without_them(latest):
    assert checkpoints.load(latest)["spaces"].keys() == {"obs_size", "num_actions", "continuous"}


def test_every_part_of_a_runs_state_must_be_of_its_kind(left, latest, resumed, files):
    content = checkpoints.load(latest)
    run = content["run"]
    wrong = [replaced(content, ("run", key), value) for key in run for value in (None, -1, "x", ["x"], {})]
    parts = ("config", "spaces", "iteration", "run")
    wrong += [replaced(content, (key,), value) for key in parts for value in (-1, [])]
    wrong += [without(content, ("run", key)) for key in run]
    wrong += [replaced(content, ("iteration",), value) for value in (0, 4, 10**6, True)]
    wrong += [replaced(content, ("iteration",), 9) | {"run": run | {"iterations": 9}}]  # of 8
    wrong += [replaced(content, ("spaces", "obs_size"), 4), replaced(content, ("config", "env.num_envs"), "2")]
    for path in [path for path in leaves(content) if path[0] not in ("agent", "actions", "digests")]:
        wrong.append(replaced(content, path, torch.zeros(0, dtype=torch.float32)))  # neither equal nor unequal
    refusals(resumed, left, latest, wrong, files)


OUTSIDE = ("../elsewhere", "/tmp/elsewhere", "notes.txt", layout.SUMMARY, "", "events.out.tfevents.1/../../x", "a\0b")
LIKE_EVENTS = (f"{layout.EVENTS}x", f"{layout.EVENTS}{10**300}")


@pytest.mark.parametrize("name", (*OUTSIDE, *LIKE_EVENTS), ids=lambda name: repr(name)[:30])
def test_no_file_but_a_runs_own_is_cut_back(name, left, latest, resumed, files):
    (left.parent / "elsewhere").write_text("somebody's")
    (left / "notes.txt").write_text("mine")
    content = checkpoints.load(latest)
    content["run"]["files"][name] = 0
    refusals(resumed, left, latest, [content], files)
    assert (left.parent / "elsewhere").read_text() == "somebody's"


def test_a_table_that_is_damaged_within_its_checkpoint_is_refused_before_anything_is_cut(left, latest, resumed, files):
    path, length = left / layout.EVALUATIONS_CSV, checkpoints.load(latest)["run"]["files"][layout.EVALUATIONS_CSV]
    data = path.read_bytes()
    head = data.index(b"\n") + 1
    for row in (b"\xff", b"x", b"nan"):
        path.write_bytes(data[:head] + row + data[head + len(row) : length] + b"rows after the checkpoint\n")
        before = files(left)
        resumed(left).refused(str(path), "damaged")
        assert files(left) == before


def expanded(*sizes):
    """A tensor that claims many elements and stores one."""
    return torch.zeros(1).expand(*sizes)


def saved(content, path):
    """Save without the digest that would never end."""
    torch.save({"schema_version": checkpoints.CHECKPOINT_VERSION, "sha256": "x", **content}, path)


def bomb():
    """A list of a billion elements in thirty small ones."""
    value = [0]
    for _ in range(30):
        value = [value, value]
    return value


def cycle():
    value = {}
    value["a"] = value
    return value


HUGE = {
    "a trillion elements": lambda: expanded(10**12),
    "many small ones": lambda: [torch.zeros(1000).expand(20, 1000)] * 1000,
    "lists in lists": bomb,
    "itself": cycle,
    "a sparse one": lambda: torch.sparse_coo_tensor(
        torch.zeros(1, 0, dtype=torch.int64), [], (10**12,), check_invariants=True
    ),
    "no storage": lambda: torch.empty(10**12, device="meta"),
    "a set": lambda: {1, 2},
}


@pytest.mark.parametrize("kind", HUGE)
def test_what_is_larger_than_its_file_is_refused_at_once(kind, left, latest, resumed, files, tmp_path):
    saved(checkpoints.load(latest) | {"actions": HUGE[kind]()}, latest)
    before = files(left)
    resumed(left).refused(str(latest), "not a readable rl_decay checkpoint")
    for use in (
        lambda: load_policy(left),
        lambda: train_configs([rich_config(init_from=str(latest))], [tmp_path / "branch"]),
    ):
        with pytest.raises(UserError, match="not a readable"):
            use()
    assert files(left) == before


def test_a_compressed_file_is_refused_unread(left, latest, resumed):
    with zipfile.ZipFile(latest) as sound:
        parts = {name: sound.read(name) for name in sound.namelist()}
    with zipfile.ZipFile(latest, "w", zipfile.ZIP_DEFLATED) as container:
        for name, data in parts.items():
            container.writestr(name, data + bytes(10**5))
    resumed(left).refused(str(latest), "not a readable")


def test_the_bound_is_the_files_size():
    check_size({"a": torch.zeros(4), "b": [1, (None, "x")]}, 16)
    with pytest.raises(ValueError, match="larger than their file"):
        check_size({"a": torch.zeros(5)}, 19)
    check_size([0] * (MAX_NODES - 1), 0)
    with pytest.raises(ValueError, match="too many"):
        check_size([0] * MAX_NODES, 0)


PARTS = (("actor",), ("actor", "parameters"), ("obs_moments",), ("obs_moments", "var"))


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_a_policy_and_a_branch_need_the_weights_in_their_shapes(part, latest, small, tmp_path):
    content = checkpoints.load(latest)
    for wrong in (without(content, ("agent", *part)), replaced(content, ("agent", *part), torch.zeros(1, 3))):
        folder = latest.parents[1]
        checkpoints.save(latest, wrong)
        with pytest.raises(UserError, match="does not fit tests/Faulty-v0"):
            load_policy(folder)
        with pytest.raises(UserError, match=r"init_from=.*does not fit \(agent"):
            train_configs([small(init_from=str(latest))], [tmp_path / "branch"])
    assert not layout.has_run_files(tmp_path / "branch")


def test_the_actions_of_a_run_at_a_segments_start_are_none(small, stopped, resumed, files, tmp_path):
    folder = stopped(tmp_path / "mine", small(checkpoint__every=4), 4)
    path = folder / layout.CHECKPOINTS / layout.LATEST
    content = checkpoints.load(path)
    assert content["actions"] is None
    refusals(resumed, folder, path, [content | {"actions": torch.zeros(64, 2, 1)}], files)
    checkpoints.save(path, content)
    assert resumed(shutil.copytree(folder, tmp_path / "copy")).code == 0
