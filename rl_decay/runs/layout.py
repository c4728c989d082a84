"""The names in a run folder: files, statuses, columns and TensorBoard tags. They are public; keep them stable."""

from __future__ import annotations

from pathlib import Path

from rl_decay.runs.files import exists, is_file

SUMMARY = "summary.json"
METRICS_CSV = "metrics.csv"
EVALUATIONS_CSV = "evaluations.csv"
EVENTS = "events.out.tfevents."  # how every TensorBoard file's name begins
CHECKPOINTS = "checkpoints"
LATEST = "latest.pt"  # inside CHECKPOINTS, like BEST
BEST = "best.pt"
LOCK = "run.lock"
LOG = "train.log"
JOBS = "jobs.json"  # in a sweep folder, like SWEEP_LOCK
SWEEP_LOCK = "sweep.lock"
ARMS = "arms"  # in a sweep folder: one TensorBoard run per arm, made from the runs of the arm
ARM_MARK = ".arm"  # marks a folder in ARMS as made by compare, which may therefore delete it

RUNNING = "running"
FINISHED = "finished"
INTERRUPTED = "interrupted"
DIVERGED = "diverged"
FAILED = "failed"
FINAL_STATUSES = (FINISHED, DIVERGED)  # nothing to continue: a diverged run would diverge again
STATUSES = (RUNNING, FINISHED, INTERRUPTED, DIVERGED, FAILED)

# In the order of the columns of metrics.csv: tags may be added, but a resumed run relies on the order of the old ones.
COUNTERS = ("env_steps", "iteration", "valid_steps")
TAGS = (
    "charts/episodic_return",
    "charts/episodic_length",
    "charts/return_100",
    "charts/SPS",
    "losses/policy_loss",
    "losses/value_loss",
    "losses/entropy",
    "losses/approx_kl",
    "losses/clipfrac",
    "losses/explained_variance",
    "losses/policy_std",
    "lr/actor",
    "lr/critic",
    "schedule/clip",
    "schedule/entropy_coef",
    "update/actor/grad_norm",
    "update/actor/clipped_share",
    "update/actor/rel_step",
    "update/actor/cos_prev",
    "update/actor/straightness",
    "update/actor/frac_neg_cos",
    "update/critic/grad_norm",
    "update/critic/clipped_share",
    "update/critic/rel_step",
    "update/critic/cos_prev",
    "update/critic/straightness",
    "update/critic/frac_neg_cos",
    "update/kl_post",
    "update/kl_over_lr2",
    "update/churn",
    "eval/return",
    "eval/score",
    "oscillation/drawdown",
    "oscillation/excess_total_variation",
    "oscillation/turning_rate",
    "oscillation/residual_std",
)
METRIC_COLUMNS = COUNTERS + TAGS
CHARTS = {  # TensorBoard's custom scalars: category -> chart -> tags
    "learning rate": {"actor and critic": ["lr/actor", "lr/critic"]},
    "return": {"evaluation": ["eval/return"], "training": ["charts/return_100"]},
    "oscillation": {tag.split("/")[1]: [tag] for tag in TAGS if tag.startswith("oscillation/")},
    "update": {
        "relative step": ["update/actor/rel_step", "update/critic/rel_step"],
        "straightness over 50 updates": ["update/actor/straightness", "update/critic/straightness"],
        "KL over the squared rate": ["update/kl_over_lr2"],
        "churn": ["update/churn"],
    },
}
CUT = "cut"  # column of evaluations.csv: the number of episodes that were cut at evaluation.max_steps
# Columns that older versions did not write: a run with tables of an older version is continued without them. Add every
# new tag here too, or older runs can no longer be resumed.
LATER_COLUMNS = (CUT,)
FINAL_TAGS = ("final/return", "final/osc_late")  # written once, at the end, for TensorBoard's HParams table


def evaluation_columns(episodes: int) -> tuple[str, ...]:
    """The columns of evaluations.csv for evaluations of `episodes` episodes: `return_0`, `return_1`, ..."""
    means = ("env_steps", "iteration", "return_mean", "return_std", "score", "episode_length", CUT)
    return means + tuple(f"return_{i}" for i in range(episodes))


def is_run(folder: str | Path) -> bool:
    """Whether a folder holds a run: it has a summary.json, the first file of a run.

    UserError without permission to look into the folder, as for `has_run_files`.
    """
    return is_file(Path(folder) / SUMMARY)


def has_run_files(folder: str | Path) -> bool:
    """Whether a folder holds a run, or files of one without its summary: a new run must not be written into it."""
    return any(exists(Path(folder) / name) for name in (SUMMARY, METRICS_CSV, EVALUATIONS_CSV, CHECKPOINTS))
