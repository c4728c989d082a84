"""The training loop: collect, update, evaluate, write."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rl_decay.config.plan import Clock, Plan, endless_segment
from rl_decay.envs.contract import VecEnv
from rl_decay.envs.faults import TaskError
from rl_decay.errors import UserError, error_words
from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams
from rl_decay.runs import layout
from rl_decay.runs.recorder import RunRecorder
from rl_decay.system.signals import LOST, StopRequest
from rl_decay.training import out_of_memory
from rl_decay.training.collector import Collector
from rl_decay.training.digests import first_difference
from rl_decay.training.evaluation import Evaluation, evaluate
from rl_decay.training.saver import Saver
from rl_decay.training.tracebacks import with_traceback_logged
from rl_decay.types import Episode, Member

SECOND_SIGNAL = f"a second signal: {LOST}"

log = logging.getLogger("rl_decay")


class Display(Protocol):
    """What shows a population's progress to a person."""

    def iteration(
        self, iteration: int, runs: Sequence[RunRecorder], scalars: dict[str, np.ndarray], evaluated: bool
    ) -> str | None:
        """Called after every iteration, with its scalars per member [M]; returns why to stop, or None to go on."""
        ...


@dataclass
class Trainer:
    """A population in training. `train` is called once."""

    plan: Plan
    members: Sequence[Member]
    ppo: PPO
    collector: Collector
    streams: MemberStreams
    eval_envs: VecEnv
    eval_seeds: Sequence[int]
    runs: Sequence[RunRecorder]
    saver: Saver
    display: Display | None = None

    def train(self) -> None:
        """Run every iteration, or until all members have ended; each run's folder says how it ended.

        A run whose folder can no longer be written (a full disk), or whose files somebody removed or cut, ends as
        failed, and the others go on; for a single run that is a UserError. What the folders hold stays readable.
        """
        try:
            self.saver.begin()
            waits_for = "the iteration in progress, in which an environment may hang"
            with StopRequest(waits_for, self._write_last_words) as stop, out_of_memory.explained():
                self._iterations(stop)
            self._end_all(layout.FINISHED)
            self.saver.close_all()
        except KeyboardInterrupt:
            self._end_all(layout.INTERRUPTED, SECOND_SIGNAL)
        except TaskError as error:
            logged = with_traceback_logged(error, [run.folder for run in self.runs if run.running])
            self._end_all(layout.FAILED, str(logged))
            raise logged from error
        except UserError as error:
            self._end_all(layout.FAILED, str(error))
            raise
        except BaseException as error:
            self._end_all(layout.FAILED, error_words(error))
            raise
        finally:
            self.saver.close_all()
        if len(self.runs) == 1 and self.saver.failures:
            raise UserError(self.saver.failures[0])

    def _iterations(self, stop: StopRequest) -> None:
        for iteration in range(self.plan.start, self.plan.num_iterations):
            asked = self._iterate(iteration)
            asked = asked or stop.signal  # read once: a signal during the save is answered an iteration later
            self.saver.save(iteration + 1, now=asked is not None)
            if asked is not None and iteration + 1 < self.plan.num_iterations:
                self._end_all(layout.INTERRUPTED, f"{asked} after iteration {iteration + 1}")
            if not any(run.running for run in self.runs):
                break

    def resume(self, actions: Tensor, digests: Sequence[Tensor | None]) -> None:
        """Take the environments to the plan's start, inside a segment, by its actions so far [t, M, N(, A)].

        digests: per member those of the first time [1 + t], None where a checkpoint has none. Where the replay gives
        others, the run goes on, and its log and summary say that it is not exact.
        """
        self.collector.reset(self._env_seeds(self.plan.start))
        self.collector.replay(actions)
        for m, run in enumerate(self.runs):
            expected = digests[m]
            if expected is None:
                continue
            step = first_difference(self.collector.digests(m).numpy(), expected.numpy())
            if step is not None:
                run.not_exact(f"the task gave other observations or rewards in step {step} of the replayed segment")

    def _env_seeds(self, iteration: int) -> list[int]:
        return self.streams.env_seeds(iteration // self.plan.clock.segment_length, self.collector.num_envs)

    def _iterate(self, iteration: int) -> str | None:
        """One iteration for all members, written before it returns; returns why the display wants to stop."""
        done = iteration + 1
        if iteration % self.plan.clock.segment_length == 0:
            self.collector.reset(self._env_seeds(iteration))
            self.ppo.new_segment()
        draws = self.streams.draws(
            iteration, self.collector.num_steps, self.collector.num_envs, self.ppo.algo.epochs
        ).to(self.ppo.device)
        # A run that has ended, for whatever reason, neither acts nor learns. Its recorder alone knows; agent and
        # collector get and give masks.
        active = np.array([run.running for run in self.runs])
        rollout, episodes, faults = self.collector.collect(self.ppo.act, draws.noise, active)
        active[list(faults)] = False
        rates = scheduled(self.members, iteration, self.plan.clock, self.ppo.device)
        learns = torch.from_numpy(active).to(self.ppo.device)
        report, finite = self.ppo.update(rollout, draws.permutations, rates, learns)
        report |= {"schedule/clip": rates["clip"], "schedule/entropy_coef": rates["entropy"]}
        scalars = to_numpy(report | {"finite": finite, "valid": rollout.valid.sum((0, 2))})
        for m in np.flatnonzero(scalars["finite"] == 0):
            faults.setdefault(int(m), "loss, gradient or parameters not finite")
        evaluation = self._evaluate() if done in self.plan.evaluation_points else None
        ended: list[list[Episode]] = [[] for _ in self.runs]
        for episode in episodes:
            ended[episode.member].append(episode)
        for m, run in enumerate(self.runs):
            if run.running:
                with self.saver.writing(run):
                    if m in faults:
                        run.end(layout.DIVERGED, f"{faults[m]} in iteration {done}")
                    self._write(m, done, scalars, ended[m], evaluation)
        if done % self.plan.clock.segment_length == 0:
            self._note_endless_segment()
        if self.display is None:
            return None
        return self.display.iteration(done, self.runs, scalars, evaluation is not None)

    def _note_endless_segment(self) -> None:
        """At a segment's end: tell of the runs in which no episode ended in all of it."""
        steps = self.plan.clock.segment_length * self.collector.num_steps
        new = False
        for m, run in enumerate(self.runs):
            if run.running and self.collector.ended[m] == 0:
                with self.saver.writing(run):
                    new |= run.note(*endless_segment(steps))
        if new:
            log.warning("%s: %s", *endless_segment(steps))

    def _evaluate(self) -> Evaluation:
        return evaluate(
            lambda obs: self.ppo.act(obs, None),
            self.eval_envs,
            self.eval_seeds,
            len(self.members),
            self.ppo.device,
            cap=self.plan.evaluation_cap,
        )

    def _write(
        self, m: int, done: int, scalars: dict[str, np.ndarray], episodes: list[Episode], evaluation: Evaluation | None
    ) -> None:
        """One member's share of an iteration into its folder."""
        run, row = self.runs[m], {tag: values[m] for tag, values in scalars.items() if "/" in tag}
        if run.running and evaluation is not None:
            best = max(run.eval_returns, default=-np.inf)
            row |= run.evaluation(done, evaluation.returns[m], evaluation.lengths[m], int(evaluation.cut[m].sum()))
            if run.running and run.eval_returns[-1] > best:
                self.saver.save_best(m, done)
        run.row(done, row, episodes, int(scalars["valid"][m]))

    def _end_all(self, status: str, reason: str = "") -> None:
        for run in self.runs:
            run.end(status, reason)

    def _write_last_words(self) -> None:
        """Say in every summary.json that the run was ended, from another thread: the main one hangs inside a task."""
        self._end_all(layout.INTERRUPTED, SECOND_SIGNAL)
        for run in self.runs:
            with suppress(OSError):
                run.write_summary()


def scheduled(members: Sequence[Member], iteration: int, clock: Clock, device: torch.device) -> dict[str, Tensor]:
    """The values [M] that an iteration's update uses: rates of actor and critic, clip range, entropy coefficient."""
    at = [clock.progress(iteration, m.inclusive) for m in members]
    base = {
        "actor": [m.lr["actor"] for m in members],
        "critic": [m.lr["critic"] for m in members],
        "clip": [m.clip for m in members],
        "entropy": [m.entropy_coef for m in members],
    }
    rates = {}
    for name, values in base.items():
        now = [value * m.curves[name](p) for value, m, p in zip(values, members, at)]
        rates[name] = torch.tensor(now, dtype=torch.float32, device=device)
    return rates


def to_numpy(report: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Scalars per member [M] as float32 arrays, in one copy from the device."""
    stacked = torch.stack([value.float() for value in report.values()]).cpu().numpy()
    return dict(zip(report, stacked))
