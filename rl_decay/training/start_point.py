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
from rl_decay.runs.tables import evaluation_curve
from rl_decay.system.shell import absolute
from rl_decay.training.checkpoints import Checkpoint, join_members, member_state, way_out
from rl_decay.training.content import Shape, actions_problem, digests_problem, shape_problem, shapes
from rl_decay.types import Spaces


@dataclass(frozen=True)
class StartPoint:
    """Where and how a run begins. Runs can only train together if their `resume_point` is the same."""

    job: Job  # with the configuration that is trained: of a run begun before, with what was recorded of it
    run: RunFolder
    iteration: int = 0
    clock: Clock | None = None  # None: of the plan
    ended: bool = False  # nothing is left to train
    checkpoint: Checkpoint | None = field(default=None, compare=False)  # of its own run; None at the beginning
    history: tuple[dict[str, Any], ...] = ()  # earlier continuations, and this one

    @property
    def config(self) -> Config:
        """The configuration that is trained."""
        return self.job.config

    @property
    def resume_point(self) -> tuple[int, Clock | None]:
        """Iteration and clock, which a population shares."""
        return self.iteration, self.clock


def find_start_point(job: Job, run: RunFolder) -> StartPoint:
    """Where a job begins in its folder: anew, or after the last checkpoint of the run that is there.

    UserError if the folder holds a run and resume=never, if that is another experiment, or if its checkpoint cannot be
    used.
    """
    if job.config.horizon != "refuse" and not run.summary:
        raise UserError(f"horizon={job.config.horizon}: {run.path} holds no run to make longer")
    check_links(run.path)
    if not layout.is_taken(run.path):
        return _new(job, run)
    if job.config.resume == "never":
        raise UserError(
            f"{run.path} holds a run already; nothing was changed. Choose another folder, or continue it with "
            "resume=auto"
        )
    job = replace(job, config=same_experiment(job.config, run))
    if run.has_ended(job.config):
        return StartPoint(job, run, ended=True)
    if run.summary:
        return _continued(job, run)
    if exists(run.latest):
        raise UserError(
            f"{run.latest}: there is no {layout.SUMMARY} that says of which run; move it away to start anew"
        )
    return _new(job, run)


def _new(job: Job, run: RunFolder) -> StartPoint:
    """The beginning of a run whose folder holds nothing of it."""
    return StartPoint(replace(job, config=with_absolute_paths(job.config)), run)


def _continued(job: Job, run: RunFolder) -> StartPoint:
    """The last checkpoint of a run that was begun before, or its beginning if it was never saved."""
    config, iteration, checkpoint = job.config, 0, None
    if exists(run.latest):
        checkpoint = _own_checkpoint(run.latest, config)
        iteration = checkpoint.iteration
        assert checkpoint.run is not None
        for name, length in checkpoint.run["files"].items():
            check_length(run.path / name, length)
        # Read the table before anything is cut: a damaged one must leave the folder as it is.
        evaluation_curve(run.path / layout.EVALUATIONS_CSV, checkpoint.run["files"][layout.EVALUATIONS_CSV])
    clock = _clock(config, run.summary, iteration)
    history = _history(config, run.summary, iteration)
    return StartPoint(job, run, iteration, clock, checkpoint=checkpoint, history=history)


def _own_checkpoint(path: Path, config: Config) -> Checkpoint:
    checkpoint = Checkpoint.load(path)
    check_kinds(checkpoint.config, path)
    known = {key: checkpoint.config[key] for key in experiment_key_names() if key in checkpoint.config}
    foreign = {
        k: v for k, v in changed_values(known, experiment_values(config)).items() if k not in MAY_DIFFER_WHEN_LONGER
    }
    if foreign or checkpoint.run is None:
        key, (value, _) = next(iter(foreign.items()), ("", ("", "")))
        other = f"{key}={value}" if foreign else "a copy of best.pt"
        raise UserError(f"{path}: belongs to another run ({other}); put the run's own back, or delete it to start anew")
    iteration, last = checkpoint.iteration, iterations(config)
    if iteration > last:
        raise UserError(f"{path}: of iteration {iteration}, but the run has {last}{way_out(path)}")
    return checkpoint


def _clock(config: Config, summary: dict[str, Any], iteration: int) -> Clock:
    lengths = summary["segment_length"], summary["horizon_iterations"]
    clock = Clock(*lengths, summary["held_at"], summary.get("evaluation_cap"))
    if config.total_steps == summary["config"]["total_steps"]:
        return clock
    if config.horizon == "hold" and iteration == 0:
        raise UserError("horizon=hold: there was no update yet whose rates could be held; choose keep or stretch")
    return clock.longer(config.horizon, iteration, iterations(config))


def _history(config: Config, summary: dict[str, Any], iteration: int) -> tuple[dict[str, Any], ...]:
    entry: dict[str, Any] = {"iteration": iteration}
    before = summary["config"]["total_steps"]
    if config.total_steps != before:
        entry |= {"horizon": config.horizon, "total_steps_before": before, "total_steps": config.total_steps}
    if changed := changed_versions(summary, versions()):
        entry["versions"] = changed
    return (*summary.get("resumed", ()), entry)


def load_agents(ppo: PPO, starts: Sequence[StartPoint]) -> None:
    """Give a new population the agents of its members' checkpoints, or of the checkpoints they branch from."""
    state = ppo.state_dict()
    members = [member_state(state, m) for m in range(ppo.members)]
    for m, begun in enumerate(starts):
        if begun.checkpoint:
            members[m] = _own_agent(begun, ppo.networks.shape, members[m])
        elif begun.config.init_from is not None:
            members[m] = _branched(members[m], begun.config, ppo.networks.shape.spaces)
    if any(s.checkpoint or s.config.init_from is not None for s in starts):
        ppo.load_state_dict(join_members(members))


def _own_agent(begun: StartPoint, shape: NetShape, fresh: dict[str, Any]) -> dict[str, Any]:
    """The agent of a run's own checkpoint, once all that it holds has the shapes that this run would have saved."""
    config, checkpoint, rows = begun.config, begun.checkpoint, begun.config.env.num_envs * begun.config.algo.num_steps
    assert begun.clock is not None and checkpoint is not None
    steps = begun.iteration % begun.clock.segment_length * config.algo.num_steps
    problem = (
        (None if checkpoint.spaces == shape.spaces else f"its weights are not for {config.env.id}")
        or shape_problem(checkpoint.agent, _trained_shapes(fresh, shape, rows), "agent")
        or actions_problem(checkpoint.actions, steps, config.env.num_envs, shape.spaces)
        or digests_problem(checkpoint.digests, steps)
    )
    if problem:
        raise UserError(f"{begun.run.latest}: does not fit its run ({problem}){way_out(begun.run.latest)}")
    return checkpoint.agent


def _trained_shapes(fresh: dict[str, Any], shape: NetShape, rows: int) -> dict[str, Any]:
    """The shapes of a fresh agent's state after its first update, from a rollout of so many rows."""
    probes, actions = len(range(rows)[probe_rows(rows)]), shape.spaces.num_actions
    obs, outputs = Shape((1, probes, shape.widths[0])), Shape((1, probes, actions))
    return shapes(fresh) | {"probes": {"obs": obs, "outputs": outputs, "log_std": Shape((1, actions))}}


def _branched(fresh: dict[str, Any], config: Config, spaces: Spaces) -> dict[str, Any]:
    """A new agent with the weights of `init_from`, and the moments that these weights were trained behind; optimizer
    and running returns stay new.
    """
    path = absolute(str(config.init_from))
    try:
        checkpoint = Checkpoint.load(path)
        known = flat(config_to_compare(checkpoint.config, path))
    except UserError as error:
        raise UserError(f"init_from={error}") from None
    if checkpoint.spaces != spaces:
        raise UserError(
            f"init_from={path}: its weights are for {known['env.id']}, whose observations or actions are not those of "
            f"{config.env.id}"
        )
    own = flat(config)  # not `experiment_values`: a key marked `later` is missing there at its default
    for key in SHAPING:
        if known[key] != own[key]:
            raise UserError(f"init_from={path}: its weights were trained with {key}={known[key]}, not {own[key]}")
    agent = checkpoint.agent
    taken = {group: {"parameters": fresh[group]["parameters"]} for group in ("actor", "critic")}
    for name in ("obs_moments", "reward_scaler"):
        if name in fresh:
            taken[name] = {key: part for key, part in fresh[name].items() if key != "running"}
    if problem := shape_problem(agent, shapes(taken), "agent", exact=False):
        raise UserError(f"init_from={path}: does not fit ({problem})")
    for name, part in taken.items():
        fresh[name] |= {key: agent[name][key] for key in part}
    return fresh
