"""Train PPO with its own learning-rate schedule for actor and critic; `python train.py --help` lists the choices."""

import math
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from rl_decay.errors import UserError
from rl_decay.hydra_app.compose import checked
from rl_decay.hydra_app.guard import explained, refuse_run
from rl_decay.runs.layout import INTERRUPTED


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    """Train one run into Hydra's output folder; the objective of a sweep is its final return."""
    job = HydraConfig.get()
    folder, overrides = Path(job.runtime.output_dir), list(job.overrides.task)
    alone = job.mode == RunMode.RUN
    try:
        return train(cfg, folder, overrides, alone)
    except UserError as error:
        refuse_run(str(error), folder, overrides, alone)
        return math.nan


def train(cfg: DictConfig, folder: Path, overrides: list[str], alone: bool) -> float:
    """Train one run with all that a person wants to see. SystemExit: 130 if interrupted, 1 if diverged and `alone`."""
    config = checked(cfg)
    from rl_decay import attended  # torch takes seconds to import: not for --help, not for a typo

    result = attended.train(config, folder, overrides)
    if result.status == INTERRUPTED or (alone and result.status in attended.EXIT_CODES):
        sys.exit(attended.EXIT_CODES[result.status])
    return result.final_return


if __name__ == "__main__":
    with explained():
        main()
