"""The meaning of the words, numbers and pictures of a report, for a reader who did not run it."""

from __future__ import annotations

from rl_decay.compare.analysis.alignment import curve_kind
from rl_decay.compare.model import Comparison
from rl_decay.compare.report.wording import SAME

CAPTIONS = {
    "curves": "Mean over the runs of an arm with its 95% bootstrap band, and the learning rates of actor and critic "
    "over the same environment steps. A diverged run scores 0 from then on.",
    "intervals": "Interquartile mean of each arm with its 95% interval. The dashed line is the baseline. "
    "Late oscillation is on a logarithmic scale.",
    "seeds": "Every run as a dot, the interquartile mean as a bar; late oscillation on a logarithmic scale. "
    "A cross at the edge would be a run that diverged.",
    "profiles": "Share of the runs of an arm that are above a level, with 95% bands where they can be told apart.",
}
# The exploratory metrics in the report's table, and what each says. All others are in the CSV files: most are other
# measures of the same oscillation, and every row is another chance of a p under 0.05.
EXPLORED = {
    "osc_late_linear": "late oscillation around a straight line instead of a curved trend",
    "excess_total_variation_late": "length of the late ups and downs that were undone again",
    "turning_rate_late": "share of the late evaluations at which the curve turns round",
    "max_drawdown": "the deepest fall below the best so far",
    "short_term_risk": "mean of the worst 5% of the changes, per 1% of training",
    "collapse": "share of the runs that ended below half of their best level",
    "auc": "mean level over the whole training",
    "steps_to_0.8": "environment steps to the first score of 0.8",
}
EXPLORATORY = (
    "Interquartile mean of the baseline, and of the paired differences from it, with 95% intervals. The p-values are "
    "not corrected: of twenty, one falls under 0.05 by chance. Take them as questions for new seeds. All other metrics "
    "are in arms.csv (levels) and contrasts.csv (differences)."
)

ACROSS = (
    "How much the runs of an arm differ from each other (Chan et al. 2020): the interquartile range over the runs, "
    "mean over the last 30% of training, and the mean final of the worst 5% of the runs."
)


def terms(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    """The words of the report and what they mean."""
    unit = comparison.unit
    return (
        (f"final {unit}", f"the mean {curve_kind(comparison)} {unit} over the last 10% of training"),
        (
            "late oscillation",
            "the standard deviation of the evaluations over the last 30% of training around a smooth (quadratic) "
            "trend; 0 is a policy that no longer changes. Differences are relative: of oscillation + 0.005, in percent",
        ),
        ("retention", "the level at the end over the best level ever held; below 0.5 the run has collapsed"),
        (
            "estimates",
            "interquartile means: the mean of the middle half of the runs. Intervals are 95% percentile intervals of "
            "10,000 bootstrap resamples, stratified by task: where the estimate would lie with other seeds",
        ),
        (
            "differences",
            "each seed against the same seed of the baseline. p is that of a sign-flip test of their mean, corrected "
            f"by Holm for all tests of late oscillation and final {unit} in this report",
        ),
        ("P(better)", "the probability that a run of the arm beats a run of the baseline; 0.5 is a draw"),
        (
            "no difference found",
            'is not "no difference": "could have found" is the effect that this many pairs, with this spread, would '
            "have found with probability 0.8 (before Holm's correction). Smaller ones may be there",
        ),
        (
            "unchanged",
            f"the whole interval of a difference in score lies within {SAME}, the margin below which none counts",
        ),
        ("diverged runs", "are never dropped: they count with score 0 and oscillation 0.5, or the worst that was seen"),
        (
            "cause",
            "a rate that decays is also smaller on average. Only an arm with a smaller constant rate, or one whose "
            "rate rises instead, tells the two apart",
        ),
        ("files", "runs.csv, arms.csv and contrasts.csv, beside this one, hold every number in full"),
    )
