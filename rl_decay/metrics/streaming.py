"""The oscillation of one run while it trains: each evaluation costs the same, however long the run already is."""

import math
from typing import SupportsFloat

import numpy as np

from rl_decay.metrics.late import FEWEST_LATE_POINTS, LATE_SHARE, within
from rl_decay.metrics.trend import residual_std


class OscillationStream:
    """The metrics of the curve so far, after every evaluation; equal to the functions of this package on that curve.

        drawdown                 drawdown(y)[-1]
        excess_total_variation   excess_total_variation(y)
        turning_rate             turning_rate(y, delta)
        residual_std             residual_std, degree 2, over the trailing window (t - share * end, t]

    end: length of the training in env steps; share: width of the trailing window as a share of it; delta: dead band of
    the turning rate, in the unit of y. At t = end, residual_std is osc_late. The attribute `best` is the largest y so
    far (-inf before the first). NaN: residual_std below 8 points in the window, the turning rate below 3 points, the
    excess below 2, and everything from a score on that is not finite; but residual_std recovers once that score has
    left the window. A resumed run adds the points of its table again.
    Errors: ValueError for end not above 0, share outside (0, 1], delta below 0.
    """

    def __init__(self, end: float, share: float = LATE_SHARE, delta: float = 0.01) -> None:
        if not end > 0 or not 0 < share <= 1 or not delta >= 0:
            raise ValueError(f"need end > 0, 0 < share <= 1, delta >= 0; got end={end}, share={share}, delta={delta}")
        self.span = share * end
        self.delta = delta
        self.times: list[float] = []  # the trailing window
        self.scores: list[float] = []
        self.count = 0
        self.best = -math.inf
        self.up = self.down = 0.0  # sum of the rises, of the falls
        self.direction = 0  # of the latest step above delta; 0 before the first
        self.turns = 0

    def add(self, t: SupportsFloat, y: SupportsFloat) -> dict[str, float]:
        """Take the evaluation y at env step t and return the metrics as plain floats.

        Errors: ValueError unless t is later than the evaluation before.
        """
        t, y = float(t), float(y)
        if not math.isfinite(y):
            y = math.nan
        if self.times:
            if not t > self.times[-1]:
                raise ValueError(f"evaluation at {t:g} env steps after one at {self.times[-1]:g}")
            self._step(y - self.scores[-1])
        self.count += 1
        self.best = float(np.maximum(self.best, y))  # Python's max would forget a NaN
        self._slide(t, y)
        return {
            "drawdown": self.best - y,
            "excess_total_variation": 2 * min(self.up, self.down) if self.count >= 2 else math.nan,
            "turning_rate": self.turns / (self.count - 2) if self.count >= 3 and self.up >= 0 else math.nan,
            "residual_std": self._residual_std(),
        }

    def _step(self, change: float) -> None:
        # A NaN change makes both sums NaN for good: that is what marks the curve as undefined in `add`.
        self.up += float(np.maximum(change, 0))
        self.down += float(np.maximum(-change, 0))
        if abs(change) > self.delta:
            direction = 1 if change > 0 else -1
            self.turns += direction * self.direction < 0
            self.direction = direction

    def _slide(self, t: float, y: float) -> None:
        self.times.append(t)
        self.scores.append(y)
        outside = int(np.count_nonzero(~within(self.times, t, self.span)))
        del self.times[:outside], self.scores[:outside]

    def _residual_std(self) -> float:
        if len(self.times) < FEWEST_LATE_POINTS:
            return math.nan
        return float(residual_std(self.times, self.scores, 2))
