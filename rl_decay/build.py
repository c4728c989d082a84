"""The composition root: configurations in, finished run folders out. `run` is the only way to train."""

from __future__ import annotations

import ctypes
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rl_decay.config.checks import check
from rl_decay.config.curves import role_curves
from rl_decay.config.schema import Config, flat, structure
from rl_decay.envs.gymnasium_vec import GymnasiumVec
from rl_decay.errors import UserError
from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams, evaluation_seeds
from rl_decay.runs.layout import FAILED, is_taken
from rl_decay.runs.lock import RunLock
from rl_decay.runs.record import experiment_keys, fingerprint, read_summary, versions
from rl_decay.training.collector import Collector
from rl_decay.training.plan import Plan, plan
from rl_decay.training.sinks import RunSink
from rl_decay.training.trainer import Display, Trainer
from rl_decay.types import Member

ShowPlan = Callable[[Config, Plan, str], Display | None]


@dataclass(frozen=True)
class Result:
    """How a run ended: its folder and what its summary.json says."""

    folder: Path
    summary: dict[str, Any]

    @property
    def status(self) -> str:
        """finished, interrupted, diverged or failed."""
        return self.summary["status"]

    @property
    def final_return(self) -> float:
        """Mean evaluation return over the last 10 % of training: the objective of a sweep; NaN if it got not so far."""
        value = self.summary["final_return"]
        return math.nan if value is None else value


def run(
    configs: Sequence[Config],
    folders: Sequence[Path],
    *,
    overrides: Sequence[Sequence[str]] | None = None,
    show: ShowPlan | None = None,
) -> list[Result]:
    """Train one population: member m as configs[m] says, into folders[m]; returns one result per member.

    The configurations may differ in per-member fields only (ValueError). UserError, before anything is written, for a
    configuration that cannot be run and for a folder that holds a run. `show` gets (configuration, plan, device)
    before the first step and may return a display for the progress.
    """
    for config, folder in zip(configs, folders, strict=True):
        check(config)
        if is_taken(folder):
            raise UserError(f"{folder} holds a run already; nothing was changed. Choose another folder")
    shared = configs[0]
    if any(structure(config) != structure(shared) for config in configs):
        raise ValueError("the members of a population may differ in per-member fields only")
    device = resolve_device(shared.device)
    with ExitStack() as stack:
        stack.enter_context(cpu_threads(shared.threads))
        keep_freed_memory()
        trainer = _trainer(configs, folders, overrides or [[]] * len(configs), device, stack)
        trainer.display = show(shared, trainer.plan, str(device)) if show else None
        trainer.train()
    return [Result(sink.folder, read_summary(sink.folder)) for sink in trainer.runs]


def train(config: Config, folder: str | Path | None = None) -> Result:
    """Train one run without Hydra, quietly; into `folder`, or a new one under runs/ as train.py would name it."""
    curves = f"{config.schedule.actor.curve}-{config.schedule.critic.curve}"
    name = f"seed{config.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    return run([config], [Path(folder or Path("runs", config.env.id, curves, name))])[0]


def _trainer(
    configs: Sequence[Config],
    folders: Sequence[Path],
    overrides: Sequence[Sequence[str]],
    device: torch.device,
    stack: ExitStack,
) -> Trainer:
    shared, count = configs[0], len(configs)
    envs = stack.enter_context(closing(GymnasiumVec(shared.env, count * shared.env.num_envs, shared.vec)))
    eval_envs = stack.enter_context(closing(GymnasiumVec(shared.env, count * shared.evaluation.episodes, shared.vec)))
    layout = plan(shared, envs.time_limit)
    members = [member(config) for config in configs]
    streams = MemberStreams([config.seed for config in configs], envs.spaces)
    ppo = PPO(shared, envs.spaces, members, streams.init_seeds(), device)
    heads = [checkpoint_head(config, layout) for config in configs]
    sinks = [
        _sink(config, Path(folder), layout, record(config, head, given, device), stack)
        for config, folder, given, head in zip(configs, folders, overrides, heads, strict=True)
    ]
    return Trainer(
        plan=layout,
        members=members,
        ppo=ppo,
        collector=Collector(envs, count, shared.env.num_envs, shared.algo.num_steps, device),
        streams=streams,
        eval_envs=eval_envs,
        eval_seeds=evaluation_seeds(shared.evaluation.seed, shared.evaluation.episodes),
        runs=sinks,
        checkpoint_head=heads,
    )


def _sink(config: Config, folder: Path, layout: Plan, about: dict[str, Any], stack: ExitStack) -> RunSink:
    """Open a run's folder; however the program goes on, it is unlocked and its summary.json says how the run ended."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(RunLock(folder))
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None
    sink = RunSink(folder, config, layout, about)

    def close() -> None:
        sink.end(FAILED, "training did not begin")
        sink.close()

    stack.callback(close)
    return sink


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


def record(config: Config, head: dict[str, Any], overrides: Sequence[str], device: torch.device) -> dict[str, Any]:
    """What summary.json says of a run that training does not change."""
    return {
        "env_id": config.env.id,
        "seed": config.seed,
        "config": head["config"],
        "fingerprint": head["fingerprint"],
        "overrides": list(overrides),
        "threads": config.threads,
        "compile": config.compile,
        "vec": config.vec,
        "device": str(device),
        "segment_length": head["segment_length"],
        "versions": versions(),
    }


def checkpoint_head(config: Config, layout: Plan) -> dict[str, Any]:
    """What a checkpoint says beside the agent's state."""
    return {
        "config": flat(config),
        "fingerprint": fingerprint(experiment_keys(config)),
        "segment_length": layout.segment_length,
    }


def resolve_device(name: str) -> torch.device:
    """The device of a name; `auto` is CUDA where there is one. UserError if CUDA is asked for and absent."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("device=cuda: PyTorch finds no CUDA device here; use device=auto or device=cpu")
    return torch.device("cuda" if name != "cpu" and available else "cpu")


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads inside; UserError for more than the machine has cores."""
    if count > (os.cpu_count() or 1):
        raise UserError(f"threads={count}: this machine has {os.cpu_count()} cores; ask for no more")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed temporaries; no effect elsewhere.

    It gives large blocks back to the kernel at once, and an update, which needs them again within milliseconds, would
    spend more time on fresh pages than on arithmetic.
    """
    m_trim_threshold, m_mmap_threshold, megabyte = -1, -3, 2**20  # of malloc.h
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_mmap_threshold, 256 * megabyte)
        libc.mallopt(m_trim_threshold, 512 * megabyte)
