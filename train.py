"""Train PPO with its own learning-rate schedule for actor and critic; `python train.py --help` lists the choices."""

import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from rl_decay.hydra_app.compose import checked
from rl_decay.hydra_app.guard import explained
from rl_decay.hydra_app.objective import objective
from rl_decay.hydra_app.refusals import line_for, refuse_run
from rl_decay.hydra_app.sweep_jobs import is_grid, trial
from rl_decay.runs.layout import INTERRUPTED
from rl_decay.system.shell import typed_in
from rl_decay.system.stdout import keep_output


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    """Train one run into Hydra's output folder; the objective of a sweep is its final return."""
    job = HydraConfig.get()
    folder, overrides = Path(job.runtime.output_dir), list(job.overrides.task)
    alone = job.mode == RunMode.RUN
    keep_output()  # here too: a launcher may have started this process
    try:
        with typed_in(job.runtime.cwd):
            return train(cfg, folder, overrides, alone)
    except Exception as error:
        refuse_run(line_for(error), folder, overrides, alone)
        return objective(None, job)


def train(cfg: DictConfig, folder: Path, overrides: list[str], alone: bool) -> float:
    """Train one run with all that a person wants to see. SystemExit: 130 if interrupted, 1 if diverged and `alone`."""
    config = checked(cfg)
    if not alone and not is_grid(HydraConfig.get()):
        config = trial(config)
    from rl_decay.console import run

    result = run.train(config, folder, overrides)
    if result.status == INTERRUPTED or (alone and result.status in run.EXIT_CODES):
        sys.exit(run.EXIT_CODES[result.status])
    return objective(result.final_return, HydraConfig.get())


if __name__ == "__main__":
    keep_output()
    with explained():
        main()
