"""rl_decay as a library: no Hydra, the same folder, the same numbers."""

import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import rl_decay
from rl_decay.config.schema import flat
from rl_decay.runs.sweep_lock import SweepLock
from rl_decay.runs.tables import read

ROOT = Path(__file__).parents[2]


def python(code: str, folder: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_run_needs_no_hydra(tmp_path):
    code = """
import sys, rl_decay
assert not {"torch", "numpy", "hydra"} & set(sys.modules)
config = rl_decay.Config(total_steps=128, device="cpu")
config.algo.num_steps, config.evaluation.episodes = 16, 1
result = rl_decay.train(config, "mine")
assert result.status == "finished" and result.summary["overrides"] == []
action = rl_decay.load_policy("mine")([0.0] * 4)
assert not {"hydra", "omegaconf"} & set(sys.modules)
"""
    python(code, tmp_path)
    assert (tmp_path / "mine" / "summary.json").is_file()


def test_readers_leave_torch_alone(tmp_path):
    rooms = ("compare", "config", "metrics", "runs", "schedules", "system")
    files = [file.relative_to(ROOT) for room in rooms for file in ROOT.glob(f"rl_decay/{room}/**/*.py")]
    modules = {".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files}
    modules -= {"rl_decay.schedules.lr_scheduler", "rl_decay.compare.__main__"}
    assert len(modules) > 60
    code = f"import sys, {', '.join(modules)}\nassert not {{'torch', 'hydra', 'gymnasium'}} & set(sys.modules)"
    python(code, tmp_path)


def test_public_names_are_exported():
    assert set(rl_decay.__all__) == {"Config", "Result", "UserError", "load_policy", "train"}
    assert all(getattr(rl_decay, name).__name__ == name for name in rl_decay.__all__)
    assert issubclass(rl_decay.UserError, Exception)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = rl_decay.nonsense


def test_the_command_and_the_library_train_the_same(train_py, tmp_path, configure):
    config = configure(schedule__warmup=0.5, seed=4)
    config.schedule.actor.curve = "linear_warmup"
    result = rl_decay.train(config, tmp_path / "library")
    given = [f"{key}={'null' if value is None else value}" for key, value in flat(config).items()]
    assert train_py(*given, "hydra.run.dir=command").code == 0
    one, other = (read(tmp_path / name / "metrics.csv") for name in ("library", "command"))
    assert {key for key in one if one[key].tobytes() != other[key].tobytes()} == {"charts/SPS"}
    assert result.final_return == read(tmp_path / "command" / "evaluations.csv")["return_mean"][-1]


def test_a_run_without_a_folder_is_named_like_the_commands(configure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configure(seed=9, total_steps=64)
    config.schedule.critic.curve = "none"
    result = rl_decay.train(config)
    assert result.folder.parent == Path("runs/CartPole-v1/linear-none")
    assert result.folder.name.startswith("seed9-") and (tmp_path / result.folder / "summary.json").is_file()


def test_a_folder_that_holds_a_run_is_refused(configure, tmp_path, files):
    config = configure(total_steps=64)
    rl_decay.train(config, tmp_path / "mine")
    before = files(tmp_path)
    with pytest.raises(rl_decay.UserError, match="holds a run"):
        rl_decay.train(config, tmp_path / "mine")
    assert files(tmp_path) == before


def test_a_run_of_a_sweep_that_is_being_trained_is_refused(configure, tmp_path):
    with SweepLock(tmp_path), pytest.raises(rl_decay.UserError, match=f"the sweep {tmp_path} is being trained"):
        rl_decay.train(configure(total_steps=64), tmp_path / "job0")
    assert not (tmp_path / "job0").exists()


def test_the_installed_version_is_the_one_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert metadata.version("rl_decay") == project["version"]


def test_imports_point_downwards(monkeypatch, capsys):
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out


@pytest.mark.parametrize("folder", ["", 3, "a\0b"])
def test_a_folder_that_is_none_is_named(folder, configure):
    with pytest.raises(rl_decay.UserError, match=r"^folder=.*: must be a path"):
        rl_decay.train(configure(total_steps=64), folder)
