"""A run and a sweep that an earlier version began are continued as that version would have continued them.

Each archive in tests/data holds what commit 7d66eda left of a training that was stopped after 5 of 8 iterations
(`left`) and the tables of the same training continued to its end by that commit (`whole`). The run is Pendulum-v1 with
normalisation, stopped in the middle of its only segment. Of the sweep's three jobs one had not begun.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from commands import resume_in

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import unflat
from rl_decay.runs import layout, tables
from rl_decay.runs.summary import read_summary

DATA = Path(__file__).parents[1] / "data"
SPEED = "charts/SPS"


@pytest.fixture
def begun(tmp_path):
    """Unpack an archive: begun("run") -> (folder to continue, folder with the tables to arrive at)."""

    def unpack(kind: str) -> tuple[Path, Path]:
        with zipfile.ZipFile(DATA / f"{kind}_begun_at_7d66eda.zip") as archive:
            archive.extractall(tmp_path)
        return tmp_path / "left", tmp_path / "whole"

    return unpack


def assert_same_tables(folder: Path, expected: Path, began: bool = True) -> None:
    """Equal rows; the numbers to 1e-4, because another processor gives other last bits. A run that had begun keeps its
    columns; one that starts now may have more.
    """
    for name in (layout.METRICS_CSV, layout.EVALUATIONS_CSV):
        ours, theirs = tables.read(folder / name), tables.read(expected / name)
        assert list(ours) == list(theirs) or (not began and ours.keys() > theirs.keys())
        for column in theirs.keys() - {SPEED}:
            np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-4, atol=1e-7, err_msg=column)


def test_a_run_continues_as_it_would_have(begun):
    folder, expected = begun("run")
    assert resume_in(folder.parent, folder).code == 0
    assert read_summary(folder)["status"] == "finished"
    assert_same_tables(folder, expected)


def test_a_sweep_continues_as_it_would_have(begun):
    folder, expected = begun("sweep")
    assert resume_in(folder.parent, folder, "--workers", "1").code == 0
    names = sorted(path.name for path in expected.iterdir())
    assert names == ["linear-linear_seed0", "none-none_seed0", "none-none_seed1"]
    for name in names:
        assert read_summary(folder / name)["status"] == "finished"
        assert_same_tables(folder / name, expected / name, began=name.startswith("none"))


def test_a_recorded_configuration_keeps_its_fingerprint(begun):
    folder, _ = begun("run")
    summary = json.loads((folder / layout.SUMMARY).read_text())
    assert fingerprint(experiment_values(unflat(summary["config"]))) == summary["fingerprint"]
