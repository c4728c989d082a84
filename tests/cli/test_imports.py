"""A training imports nothing that takes long and that it does not use: the start of every run would wait for it."""

import os
import subprocess
import sys
from pathlib import Path

from small_runs import small_words

ROOT = Path(__file__).parents[2]
# Each took between 30 milliseconds and a second and a half of the start, or would take so long.
HEAVY = (
    "torch._dynamo",  # by making a torch.optim.Optimizer
    "torch._inductor",
    "sympy",
    "tensorboard.compat.tensorflow_stub",  # by TensorBoard's RecordWriter, make_tensor_proto and HParams metadata
    "tensorboard.backend",
    "tensorflow",
    "fsspec",
    "matplotlib",
    "pandas",
    "scipy",
    "gymnasium.envs.mujoco",
    "pygame",
)


PROGRAM = """
import runpy, sys
train_py, *heavy = sys.argv.pop(1).split(",")
runpy.run_path(train_py, run_name="__main__")
print("imported:", *[name for name in heavy if name in sys.modules])
"""


def test_nothing_heavy_is_imported(tmp_path):
    words = ("total_steps=64", "hydra.run.dir=run", *small_words())
    command = [sys.executable, "-c", PROGRAM, ",".join((str(ROOT / "train.py"), *HEAVY)), *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "imported:"
    assert (tmp_path / "run" / "metrics.csv").is_file()
