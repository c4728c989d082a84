"""The names in a run folder: files, statuses, columns and TensorBoard tags. They are public; keep them stable."""

from __future__ import annotations

from pathlib import Path

from rl_decay.runs.files import exists, is_file

SUMMARY = "summary.json"
METRICS = "metrics.csv"
EVALUATIONS = "evaluations.csv"
EVENTS = "events.out.tfevents."  # how every TensorBoard file's name begins
CHECKPOINTS = "checkpoints"
LATEST = "latest.pt"  # inside CHECKPOINTS, like BEST
BEST = "best.pt"
LOCK = "run.lock"
LOG = "train.log"
JOBS = "jobs.json"  # in a sweep folder, like SWEEP_LOCK
SWEEP_LOCK = "sweep.lock"
ARM_MARK = ".arm"  # in a folder of ARMS: compare made it, and may clear it
ARMS = "arms"  # in a sweep folder: TensorBoard runs made from those of the sweep

RUNNING = "running"
FINISHED = "finished"
INTERRUPTED = "interrupted"
DIVERGED = "diverged"
FAILED = "failed"
ENDED = (FINISHED, DIVERGED)  # a diverged run would diverge again
STATUSES = (RUNNING, FINISHED, INTERRUPTED, DIVERGED, FAILED)

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
CUT = "cut"  # column of evaluations.csv: how many episodes were cut at evaluation.max_steps
# Columns that came after runs had been recorded without them: such a run goes on without them. Add a new tag here too.
LATER_COLUMNS = (CUT,)
FINAL_TAGS = ("final/return", "final/osc_late")  # written once, at the end, for TensorBoard's HParams table


def evaluation_columns(episodes: int) -> tuple[str, ...]:
    """The columns of evaluations.csv where every evaluation plays `episodes` episodes: `return_0`, `return_1`, ..."""
    means = ("env_steps", "iteration", "return_mean", "return_std", "score", "episode_length", CUT)
    return means + tuple(f"return_{i}" for i in range(episodes))


def is_run(folder: str | Path) -> bool:
    """Whether a folder holds a run: it has a summary.json, which is written before anything else.

    UserError where the folder cannot be looked into, like `is_taken`.
    """
    return is_file(Path(folder) / SUMMARY)


def is_taken(folder: str | Path) -> bool:
    """Whether a new run must not be written there: it holds a run, or what is left of one."""
    return any(exists(Path(folder) / name) for name in (SUMMARY, METRICS, EVALUATIONS, CHECKPOINTS))
