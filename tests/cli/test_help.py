"""--help, and the quickest of all runs."""

import json
from pathlib import Path

from rl_decay.config.schema import Config, flat
from rl_decay.schedules import CURVES

CONF = Path(__file__).parents[2] / "conf"


def test_help_names_every_group_option_curve_and_key(train_py, tmp_path):
    ended = train_py("--help")
    assert (ended.code, ended.err) == (0, "")
    words = ended.out.replace(",", " ").replace(":", " ").split()
    files = [file for file in CONF.rglob("*.yaml") if file.parent != CONF and "hydra" not in file.parts]
    assert {str(file.parent.relative_to(CONF)) for file in files} <= set(words)
    assert {file.stem for file in files} <= set(words)
    assert set(CURVES) <= set(words)
    assert {leaf for key in flat(Config()) for leaf in key.split(".")} <= set(words)
    assert list(tmp_path.iterdir()) == []


def test_debug_runs_exactly_two_iterations(train_py, tmp_path):
    ended = train_py("experiment=debug", "schedule=linear_warmup", "experiment=debug")
    assert (ended.code, ended.err) == (0, ""), ended
    (folder,) = tmp_path.glob("runs/CartPole-v1/linear_warmup-linear_warmup/seed0-*")
    said = json.loads((folder / "summary.json").read_text())
    assert (said["status"], said["iterations"]) == ("finished", 2)
    assert f"folder: {folder.relative_to(tmp_path)}" in ended.out
