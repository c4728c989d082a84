"""A trace that refactoring must not move: norms of the parameters after three iterations of the default settings."""

import pytest

from rl_decay.config.schema import Config
from rl_decay.runs import layout
from rl_decay.training import checkpoint

NORMS = {  # actor, critic
    "CartPole-v1": (0.0, 0.0),
    "Pendulum-v1": (0.0, 0.0),
}


@pytest.mark.parametrize("env_id", NORMS)
def test_norms_after_three_iterations(env_id, train):
    config = Config(seed=3, total_steps=3 * 8 * 128, device="cpu")
    config.env.id, config.logger.tensorboard = env_id, False
    config.normalize.obs = config.normalize.reward = env_id == "Pendulum-v1"
    config.evaluation.early, config.evaluation.late = 0, 1
    (result,) = train(config)
    agent = checkpoint.load(result.folder / layout.CHECKPOINTS / layout.LATEST)["agent"]
    norms = [agent[group]["parameters"].double().norm().item() for group in ("actor", "critic")]
    assert norms == pytest.approx(NORMS[env_id], rel=1e-4)
