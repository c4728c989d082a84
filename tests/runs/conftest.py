"""Running code in a process of its own."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def python():
    """Start `python -W error -c code args...`; its `communicate()` gives (output, errors)."""
    started = []

    def start(code: str, *args: object) -> subprocess.Popen:
        command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
