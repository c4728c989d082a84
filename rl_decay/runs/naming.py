"""The name of a run that was given none."""

from __future__ import annotations

from rl_decay.config.identity import experiment_keys, fingerprint
from rl_decay.config.schema import Config


def short_fingerprint(config: Config) -> str:
    """The first 8 characters of a run's fingerprint, for folder names."""
    return fingerprint(experiment_keys(config))[:8]


def run_folder(config: Config, moment: str) -> str:
    """The default folder: runs/<task>/<actor curve>-<critic curve>/seed<seed>-<moment>-<first 8 of the fingerprint>.

    `moment` has seconds. Different runs that start in the same second get different folders by their fingerprints.
    """
    curves = f"{config.schedule.actor.curve}-{config.schedule.critic.curve}"
    return f"runs/{config.env.id}/{curves}/seed{config.seed}-{moment}-{short_fingerprint(config)}"
