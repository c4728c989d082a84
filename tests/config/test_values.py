"""Values as Python code gives them: NumPy's and PyTorch's scalars, dicts for sections, and what is refused."""

import copy
import enum
from pathlib import Path

import numpy as np
import pytest
import torch

import rl_decay
from rl_decay.config.checks import check
from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import Config, Env, Group, Net, Schedule, flat, walk
from rl_decay.errors import UserError


class Size(enum.IntEnum):
    SMALL = 3


class Word(str, enum.Enum):  # noqa: UP042
    TANH = "tanh"


WHOLE = [np.int8(3), np.uint64(3), np.array(3), torch.tensor(3), Size.SMALL]
FLOATS = [np.float16(0.5), np.float64(0.5), np.array(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True)]
TRUTHS = [np.bool_(True), np.array(True), torch.tensor(True)]
LEAVES = {key: value for key, value, _ in walk(Config())}


def with_value(key, value):
    config = Config()
    *path, leaf = key.split(".")
    owner = config
    for name in path:
        owner = getattr(owner, name)
    setattr(owner, leaf, value)
    return config


def refused(config):
    with pytest.raises(UserError) as error:
        check(config)
    message = str(error.value)
    assert message.isprintable() and len(message) < 600
    return message


@pytest.mark.parametrize("value", WHOLE, ids=repr)
@pytest.mark.parametrize("key", ["seed", "algo.epochs", "evaluation.early", "checkpoint.every"])
def test_whole_numbers_of_any_library_become_ints(key, value):
    stored = flat(check(with_value(key, value)))[key]
    assert stored == 3 and type(stored) is int


@pytest.mark.parametrize("value", FLOATS, ids=repr)
@pytest.mark.parametrize("key", ["actor.lr", "algo.gamma", "schedule.final", "schedule.actor.final", "algo.target_kl"])
def test_numbers_of_any_library_become_floats(key, value):
    stored = flat(check(with_value(key, value)))[key]
    assert stored == 0.5 and type(stored) is float


@pytest.mark.parametrize("value", TRUTHS, ids=repr)
@pytest.mark.parametrize("key", ["normalize.obs", "schedule.inclusive", "logger.tensorboard"])
def test_truth_values_of_any_library_become_bools(key, value):
    assert flat(check(with_value(key, value)))[key] is True


@pytest.mark.parametrize("value", [(8, 4), np.array([8, 4]), [np.int64(8), torch.tensor(4)], torch.tensor([8, 4])])
def test_widths_may_come_in_any_sequence(value):
    stored = check(with_value("net.hidden", value)).net.hidden
    assert stored == [8, 4] and [type(width) for width in stored] == [int, int]


def test_text_and_paths_become_plain_text():
    config = Config(init_from=Path("runs/a/best.pt"), net=Net(activation=Word.TANH), env=Env(id=np.str_("Pendulum-v1")))
    checked = check(config)
    texts = [checked.init_from, checked.net.activation, checked.env.id]
    assert texts == ["runs/a/best.pt", "tanh", "Pendulum-v1"] and {type(text) for text in texts} == {str}


def test_a_whole_number_is_a_float_where_a_float_is_meant():
    """As on the command line: else lr=1 from Python and from Hydra would be two experiments."""
    checked = check(Config(actor=Group(lr=1)))
    assert type(checked.actor.lr) is float
    assert fingerprint(experiment_values(checked)) == fingerprint(experiment_values(check(Config(actor=Group(lr=1.0)))))


def test_arguments_of_the_task_are_plain_at_every_depth():
    kwargs = {"x": np.float32(0.5), "n": np.int64(2), "on": np.bool_(True), "deep": {"pair": (1, np.array(2))}}
    stored = check(Config(env=Env(kwargs=kwargs))).env.kwargs
    assert stored == {"x": 0.5, "n": 2, "on": True, "deep": {"pair": [1, 2]}}
    assert repr(stored) == "{'x': 0.5, 'n': 2, 'on': True, 'deep': {'pair': [1, 2]}}"  # no NumPy inside


def test_the_callers_configuration_stays_as_it_is():
    config = Config(seed=np.int64(3), env={"kwargs": {"pair": (1, 2)}}, net=Net(hidden=(8,)))
    before = copy.deepcopy(config)
    checked = check(config)
    checked.env.kwargs["pair"].append(3)
    checked.net.hidden.append(4)
    assert config == before and type(config.seed) is np.int64 and config.env == {"kwargs": {"pair": (1, 2)}}


def test_a_checked_configuration_stays_equal():
    config = check(Config())
    assert config == Config() == check(config)


def test_dicts_stand_for_sections_and_leave_the_rest_at_its_defaults():
    sections = {
        "env": {"id": "Pendulum-v1"},
        "algo": {"epochs": np.int64(3)},
        "schedule": {"final": 0.1, "critic": {"curve": "linear_warmup", "warmup": 0.5}, "actor": {"final": 0.2}},
    }
    checked = check(Config(**sections))
    expected = {
        "env.id": "Pendulum-v1",
        "algo.epochs": 3,
        "schedule.final": 0.1,
        "schedule.critic.curve": "linear_warmup",
        "schedule.critic.warmup": 0.5,
        "schedule.actor.final": 0.2,
    }
    assert flat(checked) == flat(Config()) | expected  # schedule.actor.curve is still linear
    assert isinstance(checked.schedule, Schedule)


@pytest.mark.parametrize(
    "sections, message",
    [
        ({"algo": {"epoch": 3}}, "algo.epoch: no such key; did you mean algo.epochs?"),
        ({"schedule": {"actor": {"finl": 0}}}, "schedule.actor.finl: no such key; did you mean schedule.actor.final?"),
        ({"normalize": {3: True}}, "normalize.3: no such key; its section has obs, reward"),
        ({"algo": None}, "algo=None: must be Algo(...), or a dict of its keys"),
        ({"schedule": {"actor": "linear"}}, "schedule.actor='linear': must be Role(...), or a dict of its keys"),
        ({"net": Env}, "net=<class 'rl_decay.config.schema.Env'>: must be Net(...), or a dict of its keys"),
    ],
)
def test_what_is_no_section_is_named(sections, message):
    assert refused(Config(**sections)) == message


def test_what_is_no_configuration_is_named():
    assert refused({"seed": 3}) == "a configuration must be an rl_decay.Config, got {'seed': 3}"


NO_WHOLE = ["3", 3.0, True, None, [3], np.array([3]), np.float64(3), torch.tensor(3.0), torch.empty((), device="meta")]
NO_NUMBER = ["0.5", True, [0.5], {}, 10**400, 1j, np.array([0.5]), object()]
NO_TRUTH = ["yes", "true", 1, 0, None, [], np.int64(1)]
NO_TEXT = [3, None, b"x", ["x"], True]
NO_WIDTHS = ["64", 64, [6.4], [True], None, ["64"], {64}, np.array([[8]]), np.array([8.0]), [[8]]]
NO_ARGUMENTS = ["x", None, [], {3: 1}, {"a": {None: 1}}]
NO_WRAPPERS = ["a.B", None, 3, {}, {"wrapper": "a.B"}, {"a.B"}, [{3: 1}], [{"wrapper": "a.B", "x": {None: 1}}]]
WRONG = {int: NO_WHOLE, float: NO_NUMBER, bool: NO_TRUTH, str: NO_TEXT, list: NO_WIDTHS, dict: NO_ARGUMENTS}


@pytest.mark.parametrize("key", LEAVES)
def test_a_value_of_another_type_is_named_with_its_key(key):
    """Strings for numbers too: `"3"` may be a mistake, and the message shows its quotes."""
    special = {"checkpoint.every": int, "init_from": str, "env.entry_point": str}
    kind = special.get(key, float if LEAVES[key] is None else type(LEAVES[key]))
    for value in WRONG[kind] if key != "env.wrappers" else NO_WRAPPERS:
        if value is not None or not (LEAVES[key] is None or key == "algo.max_grad_norm"):
            assert refused(with_value(key, value)).startswith(f"{key}={repr(value)[:20]}"), value


def test_a_dict_that_holds_itself_is_refused():
    kwargs = {}
    kwargs["again"] = kwargs
    assert refused(Config(env=Env(kwargs=kwargs))).startswith("env.kwargs=")


def test_a_loop_over_numpy_seeds_trains_the_same_runs(configure, train, differences, tmp_path):
    for seed in np.arange(1, 3):
        config = configure(seed=seed, total_steps=np.int64(64), actor__lr=np.float32(0.5), net__hidden=(8,))
        one = rl_decay.train(config, tmp_path / f"numpy{seed}")
        (other,) = train(configure(seed=int(seed), total_steps=64, actor__lr=0.5, net__hidden=[8]))
        assert differences(one, other) == []
        for key in ("config", "fingerprint", "seed"):
            assert repr(one.summary[key]) == repr(other.summary[key])


@pytest.mark.parametrize("folder", [5, b"runs", ["runs"]])
def test_a_folder_that_is_no_path_is_named(configure, folder):
    with pytest.raises(UserError, match=r"folder=.* must be a path"):
        rl_decay.train(configure(), folder)
