"""On what a benchmark was measured."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import torch


def description() -> dict[str, Any]:
    """Processor, cores, PyTorch and the commit; a commit with changes in the working tree ends in +."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "torch": torch.__version__,
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else ""),
    }


def _git(*words: str) -> str:
    folder = Path(__file__).parent
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
