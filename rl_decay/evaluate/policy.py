"""A trained policy as a plain function: the task's own observations in, its own actions out."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from rl_decay.config.recorded import config_to_train
from rl_decay.config.schema import Env, flat
from rl_decay.envs.examine import codec_of
from rl_decay.errors import UserError
from rl_decay.ppo.moments import Moments
from rl_decay.ppo.net_shape import NetShape
from rl_decay.runs.layout import CHECKPOINTS, is_run
from rl_decay.training.checkpoints import Checkpoint
from rl_decay.training.content import Shape, shape_problem


class Policy:
    """`policy(obs) -> action`, deterministic, NumPy in and out, the observation normaliser and the mapping onto bounds
    included.

    obs is one observation of the task's own shape, or a batch [S, ...] of them (of a Dict task a dict of batches, of a
    Tuple task a tuple of them); the action comes alike. `config` is the run's flat configuration and `fingerprint` that
    of its experiment, `iteration` the number of iterations it had trained.
    """

    def __init__(self, checkpoint: Checkpoint, source: Path, trust: Collection[str]):
        self.config: dict[str, Any] = flat(config_to_train(checkpoint.config, trust, source))
        self.fingerprint = checkpoint.fingerprint
        self.iteration = checkpoint.iteration
        self.evaluation_cap = checkpoint.evaluation_cap
        self.env = env_of(self.config)
        self.squash: str = self.config["net.squash"]
        self.codec = codec_of(self.env, self.squash)
        hidden = tuple(self.config["net.hidden"])
        self._shape = NetShape(self.codec.spaces, hidden, self.config["net.activation"])
        self._check(checkpoint, source)  # before a tensor is used: the file may be of another task or damaged
        self._actor, self._log_std = self._shape.unpack(checkpoint.agent["actor"]["parameters"])
        self._moments: Moments | None = None
        if self.config["normalize.obs"]:
            self._moments = Moments(1, self._shape.widths[0])  # widths[0]: the padded observation
            self._moments.load_state_dict(checkpoint.agent["obs_moments"])

    def _check(self, checkpoint: Checkpoint, source: Path) -> None:
        """UserError unless the agent has the tensors of a policy, in the shapes of this task and network."""
        parameters = Shape((1, sum(self._shape.sizes)))
        expected: dict[str, Any] = {"actor": {"parameters": parameters}}
        if self.config["normalize.obs"]:
            count = Shape((1, 1), torch.float64)
            per_number = Shape((1, self._shape.widths[0]), torch.float64)
            expected["obs_moments"] = {"count": count, "mean": per_number, "var": per_number}
        problem = shape_problem(checkpoint.agent, expected, "agent", exact=False)
        if problem is None and checkpoint.spaces.nvec != self.codec.spaces.nvec:  # as many options, otherwise divided
            problem = f"its actions have components of {list(checkpoint.spaces.nvec)} options"
        if problem:
            raise UserError(f"{source}: does not fit {self.env.id} ({problem})")

    def __call__(self, obs: Any) -> Any:
        """Actions for one observation or a batch; ValueError for another shape."""
        values, batched = self.codec.flattening.batch(obs)
        rows = self.codec.flattening.joined(values)
        member_rows = torch.from_numpy(rows).unsqueeze(0)
        flat_actions = self.act(member_rows).squeeze(0).numpy()
        actions = self.codec.decode(flat_actions)
        return actions if batched else actions[0]

    @torch.no_grad()
    @torch.autocast("cpu", enabled=False)  # inside a caller's autocast block the precision would be another
    def act(self, obs: torch.Tensor) -> torch.Tensor:
        """`flat_actions` for callers that compute: without gradients, in full precision."""
        return self.flat_actions(obs)

    def flat_actions(self, obs: torch.Tensor) -> torch.Tensor:
        """Flat deterministic actions [1, S(, C or A)] for flat observations [1, S, D], padded or not.

        Without a context around it, because torch.export would write the context into the exported program.
        """
        missing = self._shape.widths[0] - obs.shape[-1]
        obs = torch.nn.functional.pad(obs, (0, missing))
        if self._moments is not None:
            obs = self._moments.normalise(obs)
        actor_out = self._shape.actor(self._actor, obs)
        return self._shape.distribution(actor_out, self._log_std).mode()


def load_policy(run_folder: str | Path, checkpoint_name: str = "latest", trust: Collection[str] = ()) -> Policy:
    """The policy of a run: its `latest` or `best` checkpoint, or a path.

    The checkpoint names the task, and the file may come from somebody else. A module that env.id or env.wrappers names
    must be in `trust` unless it is installed, and that of env.entry_point in any case. UserError if it is not, or if
    there is no such checkpoint.
    """
    named = Path(run_folder) / CHECKPOINTS / f"{checkpoint_name}.pt"
    path = named if checkpoint_name in ("latest", "best") else Path(checkpoint_name)
    if not is_run(run_folder):
        raise UserError(f"{run_folder}: no run folder, for it holds no summary.json")
    return Policy(Checkpoint.load(path), path, trust)


def env_of(config: dict[str, Any]) -> Env:
    """The env section of a flat configuration."""
    return Env(**{key.removeprefix("env."): value for key, value in config.items() if key.startswith("env.")})
