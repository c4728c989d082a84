"""The launcher as a plugin: light to import, found by Hydra, as many workers as there is use for."""

import subprocess
import sys

import pytest
from variants import thorough

from rl_decay.sweeps import workers

IMPORT = (
    "import sys, hydra_plugins.rl_decay_launcher;"
    "print([m for m in sys.modules if m.split('.')[0] in ('rl_decay', 'torch', 'gymnasium', 'numpy', 'rich')])"
)


def test_importing_it_imports_hydra_alone():
    ended = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout.strip()) == (0, "[]"), ended.stderr


def test_hydra_finds_it():
    from hydra.core.plugins import Plugins
    from hydra.plugins.launcher import Launcher

    assert "PopulationLauncher" in [c.__name__ for c in Plugins.instance().discover(Launcher)]


@pytest.mark.parametrize("cores, used", [(3, 3), thorough(1, 1), thorough(64, 4)])
def test_as_many_workers_as_cores_or_jobs(train_py, tiny, monkeypatch, cores, used):
    asked = []

    def train(populations, count, listen):
        asked.append((count, len(populations)))
        return workers.Outcome(complete=True)

    monkeypatch.setattr(workers, "usable_cores", lambda: cores)
    monkeypatch.setattr(workers, "train", train)
    assert train_py(*tiny, "seed=range(0,4)").code == 0
    assert asked == [(used, used)]
