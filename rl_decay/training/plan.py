"""The clock of a run: iterations, segments and evaluation points, derived once from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from rl_decay.config.schema import Config
from rl_decay.metrics.late import LATE_SHARE

EPISODES_PER_SEGMENT = 10


@dataclass(frozen=True)
class Plan:
    """What a run will do, known before its first step. Iterations count from 0; points lie at iteration ends."""

    asked_steps: int
    steps_per_iteration: int
    num_iterations: int
    segment_length: int  # iterations
    segments_asked: int
    evaluation_points: tuple[int, ...]  # numbers of completed iterations, 1..num_iterations
    checkpoint_every: int  # iterations

    @property
    def total_steps(self) -> int:
        """Environment steps trained: whole iterations only."""
        return self.num_iterations * self.steps_per_iteration

    @property
    def segments(self) -> int:
        """Number of segments."""
        return -(-self.num_iterations // self.segment_length)


def plan(config: Config, time_limit: int | None) -> Plan:
    """Lay out a run of a configuration that was checked."""
    per_iteration = config.env.num_envs * config.algo.num_steps
    num_iterations = config.total_steps // per_iteration
    length = segment_length(num_iterations, config.segments, config.algo.num_steps, time_limit)
    return Plan(
        asked_steps=config.total_steps,
        steps_per_iteration=per_iteration,
        num_iterations=num_iterations,
        segment_length=length,
        segments_asked=config.segments,
        evaluation_points=evaluation_points(num_iterations, config.evaluation.early, config.evaluation.late),
        checkpoint_every=config.checkpoint.every or length,
    )


def segment_length(num_iterations: int, segments: int, num_steps: int, time_limit: int | None) -> int:
    """Iterations per segment: ceil(T / segments), or longer, so that a slot plays 10 time limits in each.

    The last segment takes what is left. A cut ends every episode in progress; in a segment of few episodes it would
    decide what is learned.
    """
    if time_limit is not None:
        longest = EPISODES_PER_SEGMENT * time_limit
        segments = min(segments, max(1, num_iterations * num_steps // longest))
    return -(-num_iterations // segments)


def evaluation_points(num_iterations: int, early: int, late: int) -> tuple[int, ...]:
    """Completed iterations at which to evaluate: `late` counted back from the end over the last 30 %, `early` before.

    Evenly spaced to the nearest iteration; fewer where two points would fall together. The last is always the end.
    """
    late_span, early_span = LATE_SHARE * num_iterations, (1 - LATE_SHARE) * num_iterations
    points = {num_iterations - round(i * late_span / late) for i in range(late)}
    points |= {int(i * early_span / early) for i in range(1, early + 1)} if early else set()
    return tuple(sorted(p for p in points | {num_iterations} if p >= 1))
