"""The names of runs that were given none."""

from rl_decay.config.identity import experiment_values, fingerprint
from rl_decay.config.schema import Config
from rl_decay.runs.folder import default_folder, short_fingerprint


def test_a_run_is_named_by_task_curves_seed_moment_and_fingerprint():
    config = Config(seed=7)
    config.schedule.critic.curve = "none"
    full = fingerprint(experiment_values(config))
    assert default_folder(config, "20260102-030405") == f"runs/CartPole-v1/linear-none/seed7-20260102-030405-{full[:8]}"


def test_different_runs_of_one_second_have_different_folders():
    other = Config()
    other.actor.lr = 1e-3
    assert default_folder(Config(), "now") != default_folder(other, "now")
    assert short_fingerprint(Config(resume="auto")) == short_fingerprint(Config())  # nothing that is learned differs
