"""The training loop: collect, update, evaluate, write."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rl_decay.config.plan import Plan, endless_segment
from rl_decay.envs.contract import VecEnv
from rl_decay.envs.faults import TaskError
from rl_decay.errors import UserError, error_words
from rl_decay.ppo.agent import PPO
from rl_decay.rng import MemberStreams
from rl_decay.runs import layout
from rl_decay.runs.recorder import RunRecorder
from rl_decay.system.signals import LOST, StopRequest
from rl_decay.training import out_of_memory
from rl_decay.training.collector import Collector, NobodyLeftError
from rl_decay.training.digests import first_difference
from rl_decay.training.evaluation import Evaluation, evaluate
from rl_decay.training.saver import Saver
from rl_decay.training.schedule_values import schedule_values
from rl_decay.training.tracebacks import with_traceback_logged
from rl_decay.types import Draws, Episode, Member, Rollout

NOT_FINITE = "loss, gradient or parameters not finite"
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
    _task_errors: list[UserError] = field(default_factory=list, init=False)  # of runs that a copy of the task ended

    def train(self) -> None:
        """Run every iteration, or until all members have ended; each run's folder records how it ended.

        A run of which a copy of the task fails ends as failed, and the others go on; so does a run whose folder can no
        longer be written (a full disk), or whose files somebody removed or cut. For a single run that is a UserError.
        What the folders hold stays readable.
        """
        try:
            self.saver.begin()
            waits_for = "the iteration in progress, in which an environment may hang"
            with StopRequest(waits_for, self._record_second_signal) as stop, out_of_memory.explained():
                self._run_iterations(stop)
            self._end_all(layout.FINISHED)
            self.saver.close_all()
        except KeyboardInterrupt:
            self._end_all(layout.INTERRUPTED, SECOND_SIGNAL)
        except TaskError as error:  # a lack of memory in the task, which concerns all members
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
        self._raise_if_single()
        if len(self.runs) == 1 and self.saver.failures:
            raise UserError(self.saver.failures[0])

    def replay_segment(self, actions: Tensor, digests: Sequence[Tensor | None]) -> None:
        """Bring the environments to the plan's start, inside a segment, by its actions so far [t, M, N(, A)].

        digests: per member [1 + t], of what the task gave when these actions were taken first; None where a checkpoint
        has none. Where the replay gives others, the run goes on, and its log and summary say that it is not exact. A
        run of which a copy fails ends.
        """
        try:
            self.collector.reset(self._env_seeds(self.plan.start))
            self._end_failed(self.collector.replay(actions))
        except NobodyLeftError as error:
            self._end_failed(error.faults)
            self._raise_if_single()
            return
        for m, run in enumerate(self.runs):
            expected = digests[m]
            if expected is None or not run.running:
                continue
            step = first_difference(self.collector.digests(m).numpy(), expected.numpy())
            if step is not None:
                run.not_exact(f"the task gave other observations or rewards in step {step} of the replayed segment")

    def _run_iterations(self, stop: StopRequest) -> None:
        for iteration in range(self.plan.start, self.plan.num_iterations):
            if not any(run.running for run in self.runs):
                break
            stop_reason = self._iterate(iteration)
            # The signal is read once: one that comes during the save is obeyed an iteration later.
            stop_reason = stop_reason or stop.signal
            self.saver.save(iteration + 1, now=stop_reason is not None)
            if stop_reason is not None and iteration + 1 < self.plan.num_iterations:
                self._end_all(layout.INTERRUPTED, f"{stop_reason} after iteration {iteration + 1}")

    def _iterate(self, iteration: int) -> str | None:
        """One iteration for all members, written before it returns; returns why the display wants to stop."""
        done = iteration + 1
        segment_length = self.plan.clock.segment_length
        if iteration % segment_length == 0:
            self.collector.reset(self._env_seeds(iteration))
            self.ppo.new_segment()
        draws = self._draws(iteration)
        # A run that has ended, for whatever reason, neither acts nor learns. Its recorder alone knows; agent and
        # collector take and return masks.
        active = np.array([run.running for run in self.runs])
        try:
            rollout, episodes, faults = self.collector.collect(self.ppo.act, draws.noise, active)
        except NobodyLeftError as error:
            self._end_failed(error.faults)
            return None
        self._end_failed({m: fault for m, fault in faults.items() if isinstance(fault, UserError)})
        diverged = {m: fault for m, fault in faults.items() if isinstance(fault, str)}
        # Their rollouts hold zeros where something went wrong: nothing may be learned from them.
        active[list(faults)] = False
        scalars = self._learn(iteration, rollout, draws.permutations, active)
        for m in np.flatnonzero(scalars["finite"] == 0):
            diverged.setdefault(int(m), NOT_FINITE)
            active[m] = False
        evaluation = self._evaluate(active) if done in self.plan.evaluation_points else None
        if not any(run.running for run in self.runs):
            return None
        self._write_all(done, scalars, episodes, evaluation, diverged)
        if done % segment_length == 0:
            self._note_endless_segment()
        if self.display is None:
            return None
        return self.display.iteration(done, self.runs, scalars, evaluation is not None)

    def _env_seeds(self, iteration: int) -> list[int]:
        """Reset seeds [M*N] of the segment that an iteration belongs to."""
        return self.streams.env_seeds(iteration // self.plan.clock.segment_length, self.collector.num_envs)

    def _draws(self, iteration: int) -> Draws:
        collector = self.collector
        draws = self.streams.draws(iteration, collector.num_steps, collector.num_envs, self.ppo.algo.epochs)
        return draws.to(self.ppo.device)

    def _learn(
        self, iteration: int, rollout: Rollout, permutations: Tensor, active: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Update the active members; the iteration's scalars by tag, `finite` and `valid` beside them, [M] each."""
        values = schedule_values(self.members, iteration, self.plan.clock, self.ppo.device)
        report, finite = self.ppo.update(rollout, permutations, values, torch.from_numpy(active).to(self.ppo.device))
        report["schedule/clip"] = values["clip"]
        report["schedule/entropy_coef"] = values["entropy"]
        report["finite"] = finite
        report["valid"] = rollout.valid.sum((0, 2))
        # One copy from the device for all scalars: each copy waits for the device.
        stacked = torch.stack([value.float() for value in report.values()]).cpu().numpy()
        return dict(zip(report, stacked))

    def _evaluate(self, active: np.ndarray) -> Evaluation:
        """Evaluate the active members; a run of which a copy fails ends."""
        evaluation = evaluate(
            lambda obs: self.ppo.act(obs, None),
            self.eval_envs,
            self.eval_seeds,
            len(self.members),
            self.ppo.device,
            cap=self.plan.evaluation_cap,
            active=active,
        )
        self._end_failed(evaluation.faults)
        return evaluation

    def _write_all(
        self,
        done: int,
        scalars: dict[str, np.ndarray],
        episodes: Sequence[Episode],
        evaluation: Evaluation | None,
        diverged: Mapping[int, str],
    ) -> None:
        """Write an iteration into the folders of all runs that still train; the diverged ones end with it."""
        by_member: list[list[Episode]] = [[] for _ in self.runs]
        for episode in episodes:
            by_member[episode.member].append(episode)
        for m, run in enumerate(self.runs):
            if not run.running:
                continue
            with self.saver.ending_on_error(run):
                if m in diverged:
                    run.end(layout.DIVERGED, f"{diverged[m]} in iteration {done}")
                row = {tag: values[m] for tag, values in scalars.items() if "/" in tag}
                if run.running and evaluation is not None:
                    row |= self._write_evaluation(m, done, evaluation)
                run.row(done, row, by_member[m], int(scalars["valid"][m]))

    def _write_evaluation(self, m: int, done: int, evaluation: Evaluation) -> dict[str, float]:
        """Write one member's evaluation, and best.pt if it is the best so far; returns its scalars by tag."""
        run = self.runs[m]
        best = max(run.eval_returns, default=-np.inf)
        scalars = run.evaluation(done, evaluation.returns[m], evaluation.lengths[m], int(evaluation.cut[m].sum()))
        # A return that is not finite has ended the run.
        if run.running and run.eval_returns[-1] > best:
            self.saver.save_best(m, done)
        return scalars

    def _note_endless_segment(self) -> None:
        """At a segment's end, note and log that no episode of a run has ended in it."""
        note = endless_segment(self.plan.clock.segment_length * self.collector.num_steps)
        is_new = False
        for m, run in enumerate(self.runs):
            if run.running and self.collector.episodes_ended[m] == 0:
                with self.saver.ending_on_error(run):
                    is_new |= run.note(*note)
        if is_new:
            log.warning("%s: %s", *note)

    def _end_failed(self, errors: Mapping[int, UserError]) -> None:
        """End the runs of members of which a copy of the task has failed; {member: error}."""
        for m, error in errors.items():
            run = self.runs[m]
            if not run.running:
                continue
            if isinstance(error, TaskError):
                error = with_traceback_logged(error, [run.folder])
            self._task_errors.append(error)
            with self.saver.ending_on_error(run):
                run.end(layout.FAILED, str(error))

    def _raise_if_single(self) -> None:
        """Raise the task's error where one run is trained; of several, each summary.json names its own."""
        if len(self.runs) == 1 and self._task_errors:
            raise self._task_errors[0]

    def _end_all(self, status: str, reason: str = "") -> None:
        for run in self.runs:
            run.end(status, reason)

    def _record_second_signal(self) -> None:
        """Write how the runs ended, from another thread: the main one hangs inside a task."""
        self._end_all(layout.INTERRUPTED, SECOND_SIGNAL)
        for run in self.runs:
            with suppress(OSError):
                run.write_summary()
