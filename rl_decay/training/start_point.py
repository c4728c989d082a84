"""Where a run begins: at its first iteration, at a checkpoint of its own folder, or with the weights of another run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rl_decay.config.identity import (
    MAY_DIFFER_WHEN_LONGER,
    SHAPING,
    changed_values,
    experiment_key_names,
    experiment_values,
)
from rl_decay.config.plan import Clock, iterations
from rl_decay.config.recorded import check_kinds, config_to_compare
from rl_decay.config.schema import Config, flat
from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.ppo.net_shape import NetShape
from rl_decay.ppo.update_monitor import probe_rows
from rl_decay.runs import layout
from rl_decay.runs.continuation import changed_versions, check_links, same_experiment, with_absolute_paths
from rl_decay.runs.durable import check_length
from rl_decay.runs.files import exists
from rl_decay.runs.folder import RunFolder
from rl_decay.runs.jobs import Job
from rl_decay.runs.summary import versions
from rl_decay.runs.tables import evaluation_returns
from rl_decay.system.shell import absolute
from rl_decay.training.checkpoints import Checkpoint, join_members, member_state, way_out
from rl_decay.training.content import Shape, actions_problem, digests_problem, shape_problem, shapes
from rl_decay.types import Spaces


@dataclass(frozen=True)
class StartPoint:
    """Where and how a run begins. Runs can only train together if their `resume_point` is the same."""

    job: Job  # with the configuration that is trained: of a run begun before, with what was recorded of it
    run_folder: RunFolder
    iteration: int = 0
    clock: Clock | None = None  # None: of the plan
    nothing_left: bool = False  # True: the run has finished or diverged, and is not to be made longer
    checkpoint: Checkpoint | None = field(default=None, compare=False)  # of its own run; None at the beginning
    continuations: tuple[dict[str, Any], ...] = ()  # entries of `resumed` in summary.json: earlier ones, and this one

    @property
    def config(self) -> Config:
        """The configuration that is trained."""
        return self.job.config

    @property
    def resume_point(self) -> tuple[int, Clock | None]:
        """Iteration and clock, which a population shares."""
        return self.iteration, self.clock


def find_start_point(job: Job, run_folder: RunFolder) -> StartPoint:
    """Where a job begins in its folder: anew, or after the last checkpoint of the run that is there.

    UserError if the folder holds a run and resume=never, if that is another experiment, or if its checkpoint cannot be
    used.
    """
    path = run_folder.path
    if job.config.horizon != "refuse" and not run_folder.summary:
        raise UserError(f"horizon={job.config.horizon}: {path} holds no run to make longer")
    check_links(path)
    if not layout.has_run_files(path):
        return _fresh_start(job, run_folder)
    if job.config.resume == "never":
        raise UserError(
            f"{path} holds a run already; nothing was changed. Choose another folder, or continue it with resume=auto"
        )
    job = replace(job, config=same_experiment(job.config, run_folder))
    if run_folder.nothing_left(job.config):
        return StartPoint(job, run_folder, nothing_left=True)
    if run_folder.summary:
        return _continued_start(job, run_folder)
    if exists(run_folder.latest):
        raise UserError(
            f"{run_folder.latest}: there is no {layout.SUMMARY} that says of which run; move it away to start anew"
        )
    return _fresh_start(job, run_folder)


def _fresh_start(job: Job, run_folder: RunFolder) -> StartPoint:
    """The beginning of a run whose folder holds nothing of it."""
    return StartPoint(replace(job, config=with_absolute_paths(job.config)), run_folder)


def _continued_start(job: Job, run_folder: RunFolder) -> StartPoint:
    """The last checkpoint of a run that was begun before, or its beginning if it was never saved."""
    config = job.config
    iteration = 0
    checkpoint = None
    if exists(run_folder.latest):
        checkpoint = _own_checkpoint(run_folder.latest, config)
        iteration = checkpoint.iteration
        assert checkpoint.run is not None
        lengths = checkpoint.run["files"]
        for name, length in lengths.items():
            check_length(run_folder.path / name, length)
        # Read the table before anything is cut: a damaged one must leave the folder as it is.
        evaluation_returns(run_folder.path / layout.EVALUATIONS_CSV, lengths[layout.EVALUATIONS_CSV])
    clock = _clock(config, run_folder.summary, iteration)
    continuations = _continuations(config, run_folder.summary, iteration)
    return StartPoint(job, run_folder, iteration, clock, checkpoint=checkpoint, continuations=continuations)


def _own_checkpoint(path: Path, config: Config) -> Checkpoint:
    """The checkpoint of the run with this configuration; UserError if it is another run's, or of a later iteration."""
    checkpoint = Checkpoint.load(path)
    check_kinds(checkpoint.config, path)
    recorded_keys = [key for key in experiment_key_names() if key in checkpoint.config]
    recorded_values = {key: checkpoint.config[key] for key in recorded_keys}
    for key, (recorded_value, _) in changed_values(recorded_values, experiment_values(config)).items():
        if key not in MAY_DIFFER_WHEN_LONGER:
            raise _foreign_checkpoint(path, f"{key}={recorded_value}")
    if checkpoint.run is None:
        raise _foreign_checkpoint(path, "a copy of best.pt")
    last = iterations(config)
    if checkpoint.iteration > last:
        raise UserError(f"{path}: of iteration {checkpoint.iteration}, but the run has {last}{way_out(path)}")
    return checkpoint


def _foreign_checkpoint(path: Path, difference: str) -> UserError:
    """The refusal of a checkpoint with a difference to what this run would have saved."""
    return UserError(
        f"{path}: belongs to another run ({difference}); put the run's own back, or delete it to start anew"
    )


def _clock(config: Config, summary: dict[str, Any], iteration: int) -> Clock:
    """The clock of a run that was begun before, moved if the run is made longer now."""
    clock = Clock(
        segment_length=summary["segment_length"],
        horizon_iterations=summary["horizon_iterations"],
        held_at=summary["held_at"],
        evaluation_cap=summary.get("evaluation_cap"),
    )
    if config.total_steps == summary["config"]["total_steps"]:
        return clock
    if config.horizon == "hold" and iteration == 0:
        raise UserError("horizon=hold: there was no update yet whose rates could be held; choose keep or stretch")
    return clock.longer(config.horizon, iteration, iterations(config))


def _continuations(config: Config, summary: dict[str, Any], iteration: int) -> tuple[dict[str, Any], ...]:
    """The continuations in a run's summary, and this one behind them."""
    entry: dict[str, Any] = {"iteration": iteration}
    before = summary["config"]["total_steps"]
    if config.total_steps != before:
        entry |= {"horizon": config.horizon, "total_steps_before": before, "total_steps": config.total_steps}
    if changed := changed_versions(summary, versions()):
        entry["versions"] = changed
    return (*summary.get("resumed", ()), entry)


def load_agents(ppo: PPO, starts: Sequence[StartPoint]) -> None:
    """Give a new population the agents of its members' checkpoints, or of the checkpoints they branch from."""
    population_state = ppo.state_dict()
    states = [member_state(population_state, m) for m in range(len(starts))]
    for m, start in enumerate(starts):
        if start.checkpoint:
            states[m] = _own_agent(start, ppo.networks.shape, states[m])
        elif start.config.init_from is not None:
            states[m] = _agent_from_init_from(start.config, ppo.networks.shape.spaces, states[m])
    if any(start.checkpoint or start.config.init_from is not None for start in starts):
        ppo.load_state_dict(join_members(states))


def _own_agent(start: StartPoint, shape: NetShape, fresh: dict[str, Any]) -> dict[str, Any]:
    """The agent of a run's own checkpoint, once all that it holds has the shapes that this run would have saved."""
    assert start.checkpoint is not None
    if problem := _problem_of_own(start, start.checkpoint, shape, fresh):
        latest = start.run_folder.latest
        raise UserError(f"{latest}: does not fit its run ({problem}){way_out(latest)}")
    return start.checkpoint.agent


def _problem_of_own(start: StartPoint, checkpoint: Checkpoint, shape: NetShape, fresh: dict[str, Any]) -> str | None:
    """Why a checkpoint cannot have been saved by the run that starts from it, in words; None if it can."""
    config = start.config
    if checkpoint.spaces != shape.spaces:
        return f"its weights are not for {config.env.id}"
    rows = config.env.num_envs * config.algo.num_steps
    if problem := shape_problem(checkpoint.agent, _trained_shapes(fresh, shape, rows), "agent"):
        return problem
    assert start.clock is not None
    steps_in_segment = start.iteration % start.clock.segment_length * config.algo.num_steps
    if problem := actions_problem(checkpoint.actions, steps_in_segment, config.env.num_envs, shape.spaces):
        return problem
    return digests_problem(checkpoint.digests, steps_in_segment)


def _trained_shapes(fresh: dict[str, Any], shape: NetShape, rows: int) -> dict[str, Any]:
    """The shapes of a fresh agent's state after its first update, from a rollout of so many rows."""
    num_probes = len(range(rows)[probe_rows(rows)])
    num_actions = shape.spaces.num_actions
    probes = {
        "obs": Shape((1, num_probes, shape.widths[0])),
        "outputs": Shape((1, num_probes, num_actions)),
        "log_std": Shape((1, num_actions)),
    }
    return shapes(fresh) | {"probes": probes}


def _agent_from_init_from(config: Config, spaces: Spaces, fresh: dict[str, Any]) -> dict[str, Any]:
    """A fresh agent with the weights of `init_from`, and the moments that these weights were trained behind; optimizer
    and running returns stay fresh.
    """
    path = absolute(str(config.init_from))
    try:
        checkpoint = Checkpoint.load(path)
        other_values = flat(config_to_compare(checkpoint.config, path))
    except UserError as error:
        raise UserError(f"init_from={error}") from None
    if checkpoint.spaces != spaces:
        raise UserError(
            f"init_from={path}: its weights are for {other_values['env.id']}, whose observations or actions are not "
            f"those of {config.env.id}"
        )
    own_values = flat(config)  # not `experiment_values`: a key marked `later` is missing there at its default
    for key in SHAPING:
        other_value = other_values[key]
        own_value = own_values[key]
        if other_value != own_value:
            raise UserError(f"init_from={path}: its weights were trained with {key}={other_value}, not {own_value}")
    agent = checkpoint.agent
    wanted_parts = {group: {"parameters": fresh[group]["parameters"]} for group in ("actor", "critic")}
    for name in ("obs_moments", "reward_scaler"):
        if name in fresh:
            wanted_parts[name] = {key: part for key, part in fresh[name].items() if key != "running"}
    if problem := shape_problem(agent, shapes(wanted_parts), "agent", exact=False):
        raise UserError(f"init_from={path}: does not fit ({problem})")
    for name, part in wanted_parts.items():
        fresh[name] |= {key: agent[name][key] for key in part}
    return fresh
