"""The configuration as plain dataclasses: every key, its default, its meaning.

Metadata of a field:
  help        one line for people.
  per_member  True: members of one population may differ in it. Everything else is structural.
  experiment  False: the key changes nothing that is learned (where it is logged, how often it is saved), so it stays
              out of the fingerprint.
  later       True: the key came after runs had been recorded without it. At its default it stays out of the
              fingerprint, so that those runs stay the same experiment.
  code        True: the value names code, which is imported. From a recorded file it needs the person's trust.

The classes are not frozen because OmegaConf would then refuse to compose them; nothing assigns to them after checking.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import reduce
from typing import Any

ABOUT = {"per_member": False, "experiment": True, "later": False, "code": False}


def _key(default: Any, help: str, **about: bool) -> Any:
    """A field with its metadata; what is not given of it is as in `ABOUT`."""
    metadata = {"help": help, **ABOUT, **about}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Env:
    """The task and how many copies of it one run plays."""

    id: str = _key("CartPole-v1", "a registered Gymnasium id, or module:Id-v0", code=True)
    kwargs: dict[str, Any] = _key({}, "arguments of the environment's constructor")
    num_envs: int = _key(8, "environments per run")
    timeout: float | None = _key(None, "seconds a step or reset may take (vec=async only)", experiment=False)
    rescale_actions: bool = _key(False, "map the policy's [-1, 1] onto finite action bounds")
    preset: str = _key("none", "the file in conf/env that these values come from", experiment=False)


@dataclass
class Net:
    """Shape of the two separate networks, actor and critic."""

    hidden: list[int] = _key([64, 64], "width of each hidden layer")
    activation: str = _key("tanh", "tanh | relu")
    log_std: float = _key(0.0, "initial log standard deviation of a continuous policy")


@dataclass
class Group:
    """One param group of the optimizer."""

    lr: float = _key(3e-4, "base learning rate", per_member=True)


@dataclass
class Role:
    """The curve of one scheduled value. A knob that is null takes the shared one."""

    curve: str = _key("none", "none | linear | linear_warmup", per_member=True)
    warmup: float | None = _key(None, "share of training held (or ramped) before the decay", per_member=True)
    start: float | None = _key(None, "first value, as a factor of the base value", per_member=True)
    final: float | None = _key(None, "last value, as a factor of the base value", per_member=True)


@dataclass
class Schedule:
    """Curves of the two learning rates and, if asked, of clip range and entropy coefficient."""

    warmup: float = _key(0.1, "shared by actor and critic: share of training held", per_member=True)
    start: float = _key(1.0, "shared by actor and critic: first factor of the base rate", per_member=True)
    final: float = _key(0.0, "shared by actor and critic: last factor of the base rate", per_member=True)
    inclusive: bool = _key(
        False, "progress t/(T-1) instead of t/T: the last update uses final exactly", per_member=True
    )
    actor: Role = field(default_factory=lambda: Role(curve="linear"))
    critic: Role = field(default_factory=lambda: Role(curve="linear"))
    clip: Role = field(default_factory=Role)
    entropy: Role = field(default_factory=Role)


@dataclass
class Algo:
    """Proximal policy optimisation."""

    num_steps: int = _key(128, "steps per environment and iteration")
    epochs: int = _key(4, "passes over a rollout")
    minibatches: int = _key(4, "minibatches per epoch; must divide num_envs * num_steps")
    gamma: float = _key(0.99, "discount", per_member=True)
    gae_lambda: float = _key(0.95, "GAE's lambda", per_member=True)
    clip: float = _key(0.2, "clip range of the probability ratio", per_member=True)
    value_clip: float | None = _key(None, "clip range of the value function; null = off")
    entropy_coef: float = _key(0.0, "weight of the entropy bonus", per_member=True)
    value_coef: float = _key(0.5, "weight of the value loss", per_member=True)
    max_grad_norm: float | None = _key(0.5, "gradient-norm limit; null = off", per_member=True)
    grad_clip: str = _key("per_group", "per_group | joint: over which parameters the norm is taken")
    target_kl: float | None = _key(None, "stop an update's epochs above this mean KL; null = off", per_member=True)


@dataclass
class Normalize:
    """Running normalisation, frozen within an iteration and during evaluation."""

    obs: bool = _key(False, "observations to mean 0, standard deviation 1, clipped at 10")
    reward: bool = _key(False, "rewards by the standard deviation of the running return, clipped at 10")


@dataclass
class Evaluation:
    """Deterministic evaluation on the same reset seeds at every point of every run."""

    seed: int = _key(1_000_003, "root of the reset seeds, the same for every run")
    episodes: int = _key(10, "episodes per evaluation")
    early: int = _key(10, "evaluations in the first 70 % of training")
    late: int = _key(20, "evaluations in the last 30 % of training")
    max_steps: int | None = _key(None, "steps after which an episode is cut; null = time limit or 1,000", later=True)


@dataclass
class Checkpoint:
    """When the run is saved."""

    every: int | None = _key(None, "iterations between checkpoints; null = one segment", experiment=False)
    keep: int = _key(0, "numbered checkpoints kept beside latest.pt and best.pt", experiment=False)


@dataclass
class Logger:
    """What is written beside metrics.csv, evaluations.csv and summary.json."""

    tensorboard: bool = _key(True, "write TensorBoard event files", experiment=False)


@dataclass
class Config:
    """One run."""

    seed: int = _key(0, "root of every random stream of the run", per_member=True)
    total_steps: int = _key(500_000, "environment steps asked for")
    device: str = _key("auto", "auto | cpu | cuda")
    threads: int = _key(1, "CPU threads of PyTorch")
    compile: str = _key("none", "none | inductor: torch.compile for the update")
    segments: int = _key(10, "cuts at which every environment is reset from its own seed; 1 = never")
    vec: str = _key("sync", "sync | async environments", experiment=False)
    resume: str = _key("never", "never | auto: continue the run that the folder holds", experiment=False)
    horizon: str = _key("refuse", "refuse | keep | stretch | hold: what a longer run does to its schedule")
    compare: str = _key("auto", "auto | none: the report at the end of a multirun", experiment=False)
    init_from: str | None = _key(None, "checkpoint whose weights a new run starts from", per_member=True)
    env: Env = field(default_factory=Env)
    net: Net = field(default_factory=Net)
    actor: Group = field(default_factory=Group)
    critic: Group = field(default_factory=Group)
    schedule: Schedule = field(default_factory=Schedule)
    algo: Algo = field(default_factory=Algo)
    normalize: Normalize = field(default_factory=Normalize)
    evaluation: Evaluation = field(default_factory=Evaluation)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    logger: Logger = field(default_factory=Logger)


def walk(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield (dotted key, value, metadata) of every leaf, in the order of the schema."""
    for f in fields(config):
        value = getattr(config, f.name)
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{f.name}.")
        else:
            yield prefix + f.name, value, dict(f.metadata)


def unflat(values: Mapping[str, Any]) -> Config:
    """The configuration of {dotted key: value}; what is missing has its default, KeyError for an unknown key."""
    config = Config()
    known = flat(config)
    for key, value in values.items():
        if key not in known:
            raise KeyError(key)
        *path, leaf = key.split(".")
        setattr(reduce(getattr, path, config), leaf, copy.deepcopy(value))
    return config


def flat(config: Any) -> dict[str, Any]:
    """The configuration as {dotted key: value}."""
    return {key: value for key, value, _ in walk(config)}
