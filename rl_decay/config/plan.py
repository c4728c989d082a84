"""The plan of a run, made once from its configuration, and the clock in it, which stays when the run is continued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from rl_decay.config.schema import Config
from rl_decay.metrics.late import LATE_SHARE
from rl_decay.schedules import progress

EPISODES_PER_SEGMENT = 10  # in time limits: a segment of fewer would cut off a large part of all episodes
LONGEST_EPISODE = 1_000  # steps of an evaluation's episode in a task without a time limit
CAP_BEFORE_RECORDED = 10_000  # the same in runs that began before checkpoints recorded it


@dataclass(frozen=True)
class Clock:
    """The lengths that stay when a run is continued: of its segments, its schedules and its evaluations' episodes.

    horizon_iterations is the T of the schedules: the iterations over which they run. (The configuration's key `horizon`
    is no number: it says what becomes of T when the run is made longer.) held_at is the iteration from which on the
    schedules stand still, if any.
    """

    segment_length: int  # iterations
    horizon_iterations: int
    held_at: int | None = None
    evaluation_cap: int | None = None  # steps; None: the run began before checkpoints recorded it

    def progress(self, iteration: int, inclusive: bool) -> float:
        """The progress that the curves see in an iteration, in [0, 1]."""
        clock_iteration = iteration if self.held_at is None else min(iteration, self.held_at)
        return progress(clock_iteration, self.horizon_iterations, inclusive)

    def longer(self, how: str, iteration: int, num_iterations: int) -> Clock:
        """The clock of a run that goes on from `iteration` to a later end; `how` is its key `horizon`.

        keep: the old slope to its end, then its last value. stretch: progress over the new total, from now on.
        hold: the values of the last update before `iteration`; a run that was held before stays held where it was.
        """
        if how == "stretch":
            return replace(self, horizon_iterations=num_iterations, held_at=None)
        if how == "hold" and self.held_at is None:
            return replace(self, held_at=max(iteration - 1, 0))
        return self


class Note(NamedTuple):
    """Words that need a person's attention: a marked line of the plan, and a line of summary.json."""

    label: str
    text: str


@dataclass(frozen=True)
class Plan:
    """What a run will do, known before its first step. Iterations count from 0; points lie at iteration ends."""

    asked_steps: int
    steps_per_iteration: int
    num_iterations: int
    clock: Clock
    segments_asked: int
    evaluation_points: tuple[int, ...]  # numbers of completed iterations, 1..num_iterations
    checkpoint_every: int  # iterations
    evaluation_cap: int  # steps
    time_limit: int | None  # of the task, in steps
    num_steps: int  # per environment and iteration
    start: int = 0  # iterations done before
    notes: tuple[Note, ...] = ()
    vec: str = ""  # the back-end that steps the slots, never `auto`
    observation_parts: str = ""  # of a Dict or Tuple observation: names and sizes, in the order of the inputs

    @property
    def total_steps(self) -> int:
        """Environment steps trained: whole iterations only."""
        return self.num_iterations * self.steps_per_iteration

    @property
    def holds_time_limits(self) -> bool:
        """Whether a segment is as long as `EPISODES_PER_SEGMENT` time limits; False for a task without one."""
        steps = self.clock.segment_length * self.num_steps
        return self.time_limit is not None and steps >= EPISODES_PER_SEGMENT * self.time_limit

    @property
    def segments(self) -> int:
        """Number of segments; the last may be shorter."""
        return -(-self.num_iterations // self.clock.segment_length)


ENDLESS = "endless episodes"  # label of `endless_segment`, by which training/population.py finds a recorded note


def endless_segment(steps: int) -> Note:
    """The note after a segment of `steps` steps per environment in which no episode ended."""
    return Note(
        ENDLESS,
        f"no episode ended in a whole segment of {steps:,} steps per environment: episodes are longer than a segment, "
        "and each cut throws away their ends. Choose fewer segments, or set env.kwargs.max_episode_steps",
    )


def make_plan(
    config: Config, time_limit: int | None, clock: Clock | None = None, start: int = 0, notes: Sequence[Note] = ()
) -> Plan:
    """Lay out a run of a configuration that was checked; a resumed run brings its clock and its start."""
    steps_per_iteration = config.env.num_envs * config.algo.num_steps
    num_iterations = iterations(config)
    if clock is None:
        clock = Clock(
            segment_length=segment_length(num_iterations, config.segments, config.algo.num_steps, time_limit),
            horizon_iterations=num_iterations,
            evaluation_cap=episode_cap(time_limit, config.evaluation.max_steps),
        )
    points = evaluation_points(num_iterations, config.evaluation.early, config.evaluation.late)
    cap = recorded_cap(time_limit, clock.evaluation_cap)
    all_notes = list(notes)
    if time_limit is None and config.evaluation.max_steps is None:
        all_notes.append(unlimited_evaluations(config, len(points), cap))
    return Plan(
        asked_steps=config.total_steps,
        steps_per_iteration=steps_per_iteration,
        num_iterations=num_iterations,
        clock=clock,
        segments_asked=config.segments,
        evaluation_points=points,
        checkpoint_every=config.checkpoint.every or clock.segment_length,
        evaluation_cap=cap,
        time_limit=time_limit,
        num_steps=config.algo.num_steps,
        start=start,
        notes=tuple(all_notes),
    )


def unlimited_evaluations(config: Config, evaluations: int, cap: int) -> Note:
    """The note on the cost of evaluations, for a task of which Gymnasium knows no time limit."""
    steps = evaluations * config.evaluation.episodes * cap
    return Note(
        "evaluations",
        f"{config.env.id} names no time limit: episodes of evaluations are cut after {cap:,} steps "
        f"(evaluation.max_steps), which makes up to {steps:,} steps beside the {config.total_steps:,} of training",
    )


def episode_cap(time_limit: int | None, max_steps: int | None) -> int:
    """Steps after which an episode of an evaluation or a video is cut: the number asked for, else the time limit."""
    return max_steps or time_limit or LONGEST_EPISODE


def recorded_cap(time_limit: int | None, recorded: int | None) -> int:
    """The cap of a run that has begun: the recorded one, else the rule that held before caps were recorded."""
    return recorded or time_limit or CAP_BEFORE_RECORDED


def iterations(config: Config) -> int:
    """Whole iterations of a rollout each that fit into total_steps."""
    return config.total_steps // (config.env.num_envs * config.algo.num_steps)


def segment_length(num_iterations: int, segments: int, num_steps: int, time_limit: int | None) -> int:
    """Iterations per segment: ceil(T / segments), or longer, so that a slot plays 10 time limits in each.

    The last segment takes the iterations that are left. A cut ends every episode in progress: if segments held few
    episodes, the cuts would decide what is learned.
    """
    if time_limit is not None:
        steps_needed = EPISODES_PER_SEGMENT * time_limit
        segments_that_fit = num_iterations * num_steps // steps_needed
        segments = min(segments, max(1, segments_that_fit))
    return -(-num_iterations // segments)


def evaluation_points(num_iterations: int, early: int, late: int) -> tuple[int, ...]:
    """Completed iterations at which to evaluate: `late` counted back from the end over the last 30 %, `early` before.

    Evenly spaced to the nearest iteration; fewer where two points would fall together. The last is always the end.
    """
    late_span = LATE_SHARE * num_iterations
    early_span = (1 - LATE_SHARE) * num_iterations
    # More than two points per iteration make every iteration a point. Then a range over iterations replaces the loop
    # over points, because a person may ask for 2^63 - 1 evaluations.
    points = {num_iterations}
    if late > 2 * late_span:
        first_late = num_iterations - round((late - 1) * late_span / late)
        points.update(range(first_late, num_iterations))
    else:
        points.update(num_iterations - round(i * late_span / late) for i in range(late))
    if early > 2 * early_span:
        points.update(range(1, int(early_span) + 1))
    else:
        points.update(int(i * early_span / early) for i in range(1, early + 1))
    return tuple(sorted(point for point in points if point >= 1))
