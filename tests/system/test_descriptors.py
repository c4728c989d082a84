"""Open files: the limit is used in full, and a population needs none per member."""

import resource
import subprocess
import sys

import pytest

from rl_decay.system.descriptors import limit, raise_limit

MANY_MEMBERS = """
import resource, sys
from pathlib import Path
from rl_decay.runs.jobs import Job
from rl_decay.training.population import train_population
from rl_decay.config.schema import unflat
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # nothing is left to raise
small = {"env.num_envs": 1, "algo.num_steps": 4, "algo.minibatches": 2, "net.hidden": [4], "total_steps": 4}
small |= {"evaluation.episodes": 1, "evaluation.early": 0, "evaluation.late": 1, "device": "cpu"}
configs = [unflat(small | {"seed": seed}) for seed in range(80)]
jobs = [Job(seed, config, Path(sys.argv[1], str(seed))) for seed, config in enumerate(configs)]
results = train_population(jobs)
print({result.status for result in results})
"""


@pytest.fixture
def few_files():
    """A soft limit below the hard one, and the limits put back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 512) - 1, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_becomes_the_hard_one(few_files):
    assert limit() < few_files
    raise_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (few_files, few_files)


@pytest.mark.thorough
def test_more_members_than_open_files_train_together(tmp_path):
    ended = subprocess.run([sys.executable, "-c", MANY_MEMBERS, str(tmp_path)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "{'finished'}\n"), ended.stderr
