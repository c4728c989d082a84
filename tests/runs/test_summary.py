import errno
import json
import math
import os
import platform

import numpy as np
import pytest

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import Config, Env, Logger
from rl_decay.errors import UserError
from rl_decay.runs.summary import SUMMARY_VERSION, read_summary, versions, write_summary


def test_a_summary_reads_back(tmp_path):
    values = {"status": "running", "config": {"seed": 0, "env.kwargs": {}}, "overrides": ["a=1"], "reason": None}
    write_summary(tmp_path, values)
    assert read_summary(tmp_path) == {"schema_version": SUMMARY_VERSION} | values
    write_summary(tmp_path, read_summary(tmp_path) | {"status": "finished"})
    assert read_summary(tmp_path)["status"] == "finished"


def test_the_schema_version_comes_first(tmp_path):
    write_summary(tmp_path, {"a": 1})
    assert (tmp_path / "summary.json").read_text() == '{\n  "schema_version": 1,\n  "a": 1\n}\n'


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (float("nan"), None),
        (np.float64("inf"), None),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        ((1, float("-inf")), [1, None]),
        ({"x": [np.float64("nan")]}, {"x": [None]}),
    ],
)
def test_a_summary_is_plain_json(tmp_path, value, plain):
    write_summary(tmp_path, {"status": "running", "key": value})
    found = read_summary(tmp_path)["key"]
    assert found == plain
    assert type(found) is type(plain)


@pytest.mark.parametrize(
    ("value", "key"),
    [(object(), "key"), (np.ones(2), "key"), ({"x": [1, {2}]}, r"key\.x\[1\]"), ({1: 2}, "key")],
)
def test_what_json_does_not_know_is_refused_by_name(tmp_path, value, key):
    write_summary(tmp_path, {"status": "running", "a": 1})
    with pytest.raises(TypeError, match=f"^{key}: JSON has no"):
        write_summary(tmp_path, {"key": value})
    assert read_summary(tmp_path)["a"] == 1


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_summary_and_nothing_else(tmp_path, monkeypatch, step):
    write_summary(tmp_path, {"status": "running"})

    def disk_full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, disk_full)
    with pytest.raises(OSError, match="No space"):
        write_summary(tmp_path, {"status": "finished"})
    assert read_summary(tmp_path)["status"] == "running"
    assert os.listdir(tmp_path) == ["summary.json"]


def test_a_folder_without_summary_is_no_run(tmp_path):
    with pytest.raises(UserError, match=r"summary\.json: no such file, so .* is not a run folder"):
        read_summary(tmp_path)


@pytest.mark.parametrize("content", [b"", b'{"status": ', b"\xff\xfe"])
def test_a_broken_summary_is_named(tmp_path, content):
    (tmp_path / "summary.json").write_bytes(content)
    with pytest.raises(UserError, match=r"summary\.json: cannot be read"):
        read_summary(tmp_path)


@pytest.mark.parametrize("content", [[], {}, {"schema_version": SUMMARY_VERSION + 1}])
def test_another_schema_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match="this version of rl_decay reads 1"):
        read_summary(tmp_path)


def test_a_fingerprint_is_canonical():
    # SHA-256 of {"a":[1,null],"b":0.1}
    expected = "61cc664a5802cf12249704d677b8ab851c3eec02cc4e8fc58c26dd73ba97e0ab"
    assert fingerprint({"b": 0.1, "a": [1, None]}) == expected
    assert fingerprint({"a": (np.int64(1), None), "b": np.float64(0.1)}) == expected


def test_a_fingerprint_tells_values_apart():
    values = [1, 1.0, "1", True, None, [1], {"a": 1}, 0.1, math.nextafter(0.1, 1)]
    prints = {fingerprint({"a": value}) for value in values} | {fingerprint({"b": 1})}
    assert len(prints) == len(values) + 1


def test_a_fingerprint_refuses_what_has_no_canonical_form():
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint({"a": float("nan")})
    with pytest.raises(TypeError, match="JSON has no set"):
        fingerprint({"a": {1}})


def test_experiment_values_leave_out_what_changes_nothing_learned():
    values = experiment_values(Config())
    assert values["seed"] == 0
    assert values["schedule.actor.curve"] == "linear"
    assert not {"env.preset", "checkpoint.every", "checkpoint.keep", "logger.tensorboard"} & values.keys()
    same = Config(env=Env(preset="cartpole"), logger=Logger(tensorboard=False))
    assert fingerprint(experiment_values(same)) == fingerprint(values)
    assert fingerprint(experiment_values(Config(seed=1))) != fingerprint(values)


def test_versions_name_what_decides_a_result():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert {"rl_decay", "torch", "gymnasium", "hydra-core", "omegaconf", "tensorboard"} < found.keys()


def test_versions_of_missing_packages_are_none(monkeypatch):
    monkeypatch.setattr("rl_decay.runs.summary.PACKAGES", ("numpy", "no-such-package"))
    assert versions() == {"python": platform.python_version(), "numpy": np.__version__, "no-such-package": None}


def test_neither_torch_nor_hydra_is_imported(python):
    code = """
import sys
from rl_decay.runs import durable, layout, lock, summary, tables
summary.versions()
print(sorted({"torch", "gymnasium", "hydra", "omegaconf", "tensorboard"} & sys.modules.keys()))
"""
    assert python(code).communicate() == ("[]\n", "")
