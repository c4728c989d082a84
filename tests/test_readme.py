"""What the README shows: its code runs, its commands compose, its table is the one of the results file."""

import importlib
import re
import runpy
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from rl_decay.envs.examine import codec_of
from rl_decay.hydra_app.compose import checked

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(set(re.findall(r"python train\.py([^`\n]*)", README)))


def variants(words):
    """The first value of each sweep, and the plain overrides."""
    for override in OverridesParser.create().parse_overrides([w for w in words if w != "-m"]):
        value = next(iter(override.sweep_string_iterator())) if override.is_sweep_override() else None
        yield f"{override.get_key_element()}={value}" if value is not None else override.input_line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(command):
    words = [w for w in shlex.split(command) if not w.startswith("--")]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        checked(compose("config", list(variants(words))))


def test_the_wrappers_of_the_example_fit_its_task():
    (command,) = [c for c in COMMANDS if "env.wrappers" in c]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = checked(compose("config", shlex.split(command)))
    assert codec_of(config.env).obs_space.shape == (4, 4)  # four observations of Pendulum-v1, each with the time


def test_the_scheduler_example_runs():
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "NamedGroupSchedule" in b]
    scope = {}
    exec(block, scope)
    actor, critic = scope["optimizer"].param_groups
    assert actor["lr"] == pytest.approx(3e-5)  # 3e-4 * 0.1 once t = T
    assert critic["lr"] == 1e-3


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", README, re.S) if "rl_decay.train" in b]
    scope = {}
    exec(block.replace("total_steps=100_000", "total_steps=2048"), scope)
    assert scope["result"].status == "finished"
    assert scope["policy"]([0.0, 0.0, 0.0, 0.0]) in (0, 1)


def test_the_results_table_is_the_files():
    returns = SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "returns.py")))
    table = README.split(returns.BEGIN)[1].split(returns.END)[0]
    assert table.strip() == returns.markdown(returns.recorded()).strip()


def test_every_group_option_is_mentioned():
    for group in ("schedule", "env"):
        for option in (ROOT / "conf" / group).glob("*.yaml"):
            assert f"`{option.stem}" in README or f"{group}={option.stem}" in README


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^    python -m (rl_decay\.\w+ .*)$", README, re.M))))
def test_every_module_knows_the_options_shown(line, capsys):
    module, *words = line.split()
    with pytest.raises(SystemExit) as end:
        is_package = importlib.util.find_spec(module).submodule_search_locations
        importlib.import_module(f"{module}.__main__" if is_package else module).main(["--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    for option in re.findall(r"--[a-z-]+", " ".join(words)):
        assert option in shown, option


def test_pictures_are_there_and_small():
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert 0 < (ROOT / path).stat().st_size < 300_000, path
