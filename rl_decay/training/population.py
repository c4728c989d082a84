"""The composition root: jobs in, finished run folders out. `train_population` is the only way to train."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from rl_decay.config.checks import check
from rl_decay.config.identity import experiment_values, fingerprint, population_values
from rl_decay.config.plan import ENDLESS, Note, Plan, make_plan
from rl_decay.config.schedules import role_curves
from rl_decay.config.schema import Config, flat
from rl_decay.envs.backends import back_end_of, make_vec_env, not_batched
from rl_decay.envs.contract import VecEnv
from rl_decay.envs.examine import Task, codec_of, examine
from rl_decay.envs.generators import preserved_generators
from rl_decay.envs.task_ids import with_version
from rl_decay.errors import UserError, one_line
from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams, evaluation_seeds
from rl_decay.runs.continuation import with_absolute_paths
from rl_decay.runs.durable import FileChangedError
from rl_decay.runs.folder import RunFolder, default_folder
from rl_decay.runs.jobs import Job
from rl_decay.runs.layout import FAILED, INTERRUPTED
from rl_decay.runs.lock import RunLock
from rl_decay.runs.recorder import RunRecorder
from rl_decay.runs.summary import inexact_notes, read_summary, versions
from rl_decay.runs.sweep_lock import refuse_sweep_in_use
from rl_decay.runs.unwritable import unwritable
from rl_decay.system.descriptors import raise_limit
from rl_decay.system.signals import watched
from rl_decay.training import out_of_memory
from rl_decay.training.checkpoints import Checkpoint
from rl_decay.training.collector import Collector
from rl_decay.training.device import cpu_threads, keep_freed_memory, require_memory, resolve_device, same_device
from rl_decay.training.saver import Saver
from rl_decay.training.start_point import StartPoint, find_start_point, load_agents
from rl_decay.training.trainer import Display, Trainer
from rl_decay.types import Member, Spaces

log = logging.getLogger("rl_decay")
ShowPlan = Callable[[Config, Plan, str], Display | None]


@dataclass(frozen=True)
class Result:
    """How a run ended: its folder and what its summary.json says."""

    folder: Path
    summary: dict[str, Any]
    trained: bool = True  # False: nothing was left to train
    recorded: bool = True  # False: its summary.json could not be written

    @property
    def status(self) -> str:
        """finished, interrupted, diverged or failed."""
        return self.summary["status"]

    @property
    def final_return(self) -> float:
        """Mean evaluation return over the last 10 % of training: the objective of a sweep; NaN if it got not so far."""
        value = self.summary["final_return"]
        return math.nan if value is None else value


def train_population(jobs: Sequence[Job], *, show: ShowPlan | None = None) -> list[Result]:
    """Train the jobs as one population, each into its folder; returns one result per job, in their order.

    With resume=auto a folder's run is continued, and one that has ended is left as it is. The configurations may
    differ in per-member fields only, and unfinished runs must have come equally far (ValueError). UserError, before
    anything is written, for a configuration that cannot be run and for a folder that holds another run. `show` gets
    (configuration, plan, device) before the first step and may return a display for the progress.
    """
    checked_jobs = []
    for job in jobs:
        config = with_full_id(check(job.config))
        checked_jobs.append(replace(job, config=config, folder=Path(job.folder)))
    jobs = checked_jobs
    structure = population_values(jobs[0].config)
    if any(population_values(job.config) != structure for job in jobs):
        raise ValueError("the members of a population may differ in per-member fields only")
    raise_limit()
    recorders: Sequence[RunRecorder] = []
    with ExitStack() as stack:
        lock = _lock([job.folder for job in jobs], stack)
        starts = [find_start_point(job, RunFolder(job.folder)) for job in jobs]
        unfinished = [start for start in starts if not start.nothing_left]
        if unfinished:
            recorders = _train(unfinished, show, lock, stack)
    unrecorded = {recorder.folder: recorder.summary() for recorder in recorders if not recorder.recorded}
    return [_result(start, unrecorded.get(start.job.folder)) for start in starts]


def with_full_id(config: Config) -> Config:
    """The configuration with the version of its task in `env.id`, chosen as Gymnasium does; an entry point has none."""
    if config.env.entry_point is not None:
        return config
    full = with_version(config.env.id)
    return config if full == config.env.id else replace(config, env=replace(config.env, id=full))


def train(config: Config, folder: str | Path | None = None) -> Result:
    """Train one run without Hydra, quietly; into `folder`, or a new one under runs/ as train.py would name it."""
    config = with_full_id(check(config))
    if folder is None:
        folder = default_folder(with_absolute_paths(config), time.strftime("%Y%m%d-%H%M%S"))
    if not isinstance(folder, (str, PathLike)) or folder == "" or "\0" in str(folder):
        raise UserError(f"folder={one_line(repr(folder))}: must be a path")
    refuse_sweep_in_use(Path(folder))
    return train_population([Job(0, config, Path(folder))])[0]


def _result(start: StartPoint, unrecorded: dict[str, Any] | None) -> Result:
    folder = start.job.folder
    if unrecorded is not None:
        return Result(folder, unrecorded, recorded=False)
    return Result(folder, read_summary(folder), trained=not start.nothing_left)


def _train(
    starts: Sequence[StartPoint], show: ShowPlan | None, lock: RunLock, stack: ExitStack
) -> Sequence[RunRecorder]:
    """Train one population; returns its runs as they ended."""
    first = starts[0]
    if any(start.resume_point != first.resume_point for start in starts):
        raise ValueError("the members of a population must have come equally far")
    if first.checkpoint is None:
        device = resolve_device(first.config.device)
    else:
        device = same_device(first.run_folder.summary["device"], first.run_folder.path)
    stack.enter_context(cpu_threads(first.config.threads))
    stack.enter_context(torch.autocast(device.type, enabled=False))  # the caller's would give other bits
    keep_freed_memory()
    with out_of_memory.explained(), watched("the task, which is made and tried out before training"):
        trainer = _trainer(starts, device, lock, stack)
    trainer.display = show(first.config, trainer.plan, str(device)) if show else None
    for continuation in first.continuations[-1:]:
        for version in continuation.get("versions", ()):
            log.warning("continued with another version: %s; the bits may differ from an uninterrupted run", version)
    trainer.train()
    return trainer.runs


def _trainer(starts: Sequence[StartPoint], device: torch.device, lock: RunLock, stack: ExitStack) -> Trainer:
    """Make everything that a population needs, and bring it to where its runs begin."""
    first, count = starts[0], len(starts)
    stack.enter_context(preserved_generators())
    # The sizes of a task tell the memory that it needs; its copies are played only where there is enough.
    spaces = codec_of(first.config.env, first.config.net.squash).spaces
    vec = back_end_of(first.config.env, first.config.vec)
    # Only its keys without `per_member` may be read: in these all members agree. `members` holds the others.
    shared = replace(first.config, vec=vec)
    require_memory(shared, spaces, count, device)
    task = examine(shared.env, shared.vec, shared.net.squash)
    envs = _slots(shared, count * shared.env.num_envs, task, stack)
    eval_envs = _slots(shared, count * shared.evaluation.episodes, task, stack)
    notes = [Note(*note) for note in task.notes] + not_batched(first.config.env, first.config.vec)
    plan = make_plan(shared, envs.time_limit, first.clock, first.iteration, notes)
    plan = replace(plan, observation_parts=task.parts, vec=vec)
    members = [member(start.config) for start in starts]
    streams = MemberStreams([start.config.seed for start in starts], envs.spaces)
    ppo = PPO(shared, envs.spaces, members, streams.init_seeds(), device)
    load_agents(ppo, starts)
    templates = [checkpoint_template(start.config, envs.spaces, plan) for start in starts]
    recorders = []
    for start, template in zip(starts, templates, strict=True):
        recorders.append(_recorder(start, plan, template, device, stack))
    collector = Collector(envs, count, shared.env.num_envs, shared.algo.num_steps, device)
    trainer = Trainer(
        plan=plan,
        members=members,
        ppo=ppo,
        collector=collector,
        streams=streams,
        eval_envs=eval_envs,
        eval_seeds=evaluation_seeds(shared.evaluation.seed, shared.evaluation.episodes),
        runs=recorders,
        saver=Saver(plan, ppo, collector, recorders, templates, lock),
    )
    _replay(trainer, [start.checkpoint for start in starts if start.checkpoint is not None])
    return trainer


def _replay(trainer: Trainer, checkpoints: Sequence[Checkpoint]) -> None:
    """Bring the environments to where the checkpoints were saved, if that was inside a segment."""
    actions = [checkpoint.actions for checkpoint in checkpoints if checkpoint.actions is not None]
    if actions:
        trainer.replay_segment(torch.stack(actions, dim=1), [checkpoint.digests for checkpoint in checkpoints])


def _slots(config: Config, slots: int, task: Task, stack: ExitStack) -> VecEnv:
    """So many copies of the task, closed when the stack is."""
    envs = make_vec_env(config.env, slots, config.vec, task.wrappers, squash=config.net.squash)
    return stack.enter_context(closing(envs))


def _lock(folders: Sequence[Path], stack: ExitStack) -> RunLock:
    folder = folders[0]
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(unwritable(folder, error)) from None
    return stack.enter_context(RunLock(*folders))


def _recorder(
    start: StartPoint, plan: Plan, template: Checkpoint, device: torch.device, stack: ExitStack
) -> RunRecorder:
    """Open a run's folder; however the program goes on, its summary.json says how the run ended."""
    header = summary_header(start, plan, template, device)
    folder = start.job.folder
    saved_state = None if start.checkpoint is None else start.checkpoint.run
    try:
        recorder = RunRecorder(folder, start.config, plan, header, saved_state)
    except OSError as error:
        raise UserError(unwritable(folder, error)) from None

    def close(kind: type[BaseException] | None, *_: object) -> None:
        stopped = kind is not None and issubclass(kind, KeyboardInterrupt)
        recorder.end(INTERRUPTED if stopped else FAILED, "training did not begin")
        with suppress(OSError, FileChangedError):  # it has been reported
            recorder.close()

    stack.push(close)
    return recorder


def member(config: Config) -> Member:
    """The per-member part of a configuration, ready to use; what is switched off becomes infinite."""
    algo = config.algo
    return Member(
        seed=config.seed,
        lr={"actor": config.actor.lr, "critic": config.critic.lr},
        curves=dict(role_curves(config.schedule)),
        inclusive=config.schedule.inclusive,
        gamma=algo.gamma,
        gae_lambda=algo.gae_lambda,
        clip=algo.clip,
        entropy_coef=algo.entropy_coef,
        value_coef=algo.value_coef,
        max_grad_norm=math.inf if algo.max_grad_norm is None else algo.max_grad_norm,
        target_kl=math.inf if algo.target_kl is None else algo.target_kl,
    )


def summary_header(start: StartPoint, plan: Plan, template: Checkpoint, device: torch.device) -> dict[str, Any]:
    """What summary.json says of a run that training does not change."""
    config = start.config
    return {
        "env_id": config.env.id,
        "seed": config.seed,
        "config": template.config,
        "fingerprint": template.fingerprint,
        "overrides": list(start.job.overrides),
        "threads": config.threads,
        "compile": config.compile,
        "vec": plan.vec,
        "device": str(device),
        **asdict(plan.clock),
        "resumed": list(start.continuations),
        "notes": _notes(start, plan),
        "versions": versions(),
    }


def _notes(start: StartPoint, plan: Plan) -> list[str]:
    """The notes of a run's summary: of its plan, of continuations that were not exact, of what it learned earlier."""
    learned = [note for note in start.run_folder.summary.get("notes", ()) if note.startswith(f"{ENDLESS}: ")]
    return [f"{label}: {text}" for label, text in plan.notes] + inexact_notes(start.continuations) + learned


def checkpoint_template(config: Config, spaces: Spaces, plan: Plan) -> Checkpoint:
    """The fields that are equal in all checkpoints of a run; each save fills in iteration, agent and the rest."""
    return Checkpoint(
        config=flat(config),
        fingerprint=fingerprint(experiment_values(config)),
        spaces=spaces,
        evaluation_cap=plan.evaluation_cap,
        iteration=0,
        agent={},
    )
