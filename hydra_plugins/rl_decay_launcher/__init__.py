"""The Hydra launcher `population`. Every Hydra program of this environment loads this: it imports Hydra alone."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class PopulationLauncher(Launcher):
    """Train the jobs of a multirun together; its options are in conf/hydra/launcher/population.yaml."""

    def __init__(self, workers: int | None = None, max_members: int | None = None) -> None:
        self.workers, self.max_members = workers, max_members

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take what Hydra hands to a launcher."""
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; see rl_decay.hydra_app.launch."""
        from rl_decay.hydra_app.launch import launch
        from rl_decay.sweeps.engine import Options

        options = Options(self.workers, self.max_members)
        return launch(self.hydra_context, self.config, self.task_function, job_overrides, initial_job_idx, options)
