"""The launcher `population` and the sweeper `grid`. Every Hydra program of this environment loads this: it imports
Hydra alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.types import Override
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
        from rl_decay.sweeps.sweep import Options

        options = Options(self.workers, self.max_members)
        return launch(self.hydra_context, self.config, self.task_function, job_overrides, initial_job_idx, options)


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, which counts the jobs, lists them and shows how far their composition is."""

    def __init__(self, max_batch_size: int | None = None, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size, params)

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """Check the number of jobs, then make their overrides."""
        from rl_decay.hydra_app.grid import check_grid

        check_grid(overrides, max_batch_size)
        return BasicSweeper.split_arguments(overrides, max_batch_size)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Compose all jobs before the first batch; the launcher `population` does that itself for a single one."""
        assert self.overrides is not None and self.hydra_context is not None and self.config is not None
        together = isinstance(self.launcher, PopulationLauncher) and len(self.overrides) == 1
        if self.batch_index == 1 and not together:
            from rl_decay.hydra_app.grid import list_jobs

            grid = [words for jobs in self.overrides for words in jobs]
            list_jobs(self.hydra_context.config_loader, self.config, grid)
