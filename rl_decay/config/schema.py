"""The configuration as plain dataclasses. A key is described here and nowhere else.

Metadata of a field:
  help        one line for people. What the metadata below says, it does not repeat.
  choices     the words of which the value must be one. Empty: the value is free, or another file lists the words.
  above, at_least, at_most
              the range of a number, or of each number in a list; a number with a range must also be finite.
              All None: the key has no range, or another file checks it.
  unit, null  for messages: what the number counts, and what null stands for.
  per_member  True: members of one population may differ in it, and `Member` (types.py) carries its value. In all other
              keys, the structural ones, they agree.
  experiment  False: the key changes nothing that is learned (where it is logged, how often it is saved), so it stays
              out of the fingerprint.
  later       True: runs exist that were recorded before this key. While it has its default it is left out of the
              fingerprint, so that theirs stays the same.
  code        True: the value names code, which is imported. From a recorded file it needs the person's trust.

`config/ranges.py` checks choices and ranges. The options of conf/algo, conf/net and conf/logger hold only values that
differ from these defaults; presets and experiments may repeat a default that their results depend on.
The classes are not frozen because OmegaConf would then refuse to compose them; nothing assigns to them after checking.
This file has no `from __future__ import annotations`: `walk` hands the annotations on as types, not as text.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache, reduce
from typing import Any

# Defaults of the metadata: a key that states nothing but its help has these.
LIMITS = {"choices": (), "above": None, "at_least": None, "at_most": None, "unit": "", "null": ""}
FLAGS = {"per_member": False, "experiment": True, "later": False, "code": False}
ABOUT = LIMITS | FLAGS
ANY_FINITE = -math.inf  # as `above`: the range of all finite numbers


def _key(default: Any, help: str, **about: Any) -> Any:
    """A field with its metadata; entries that `about` lacks come from `ABOUT`."""
    metadata = {"help": help, **ABOUT, **about}
    if isinstance(default, (list, dict)):
        # A factory, because all configurations would share one list otherwise.
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Env:
    """The task and how many copies of it one run plays."""

    id: str = _key("CartPole-v1", "a registered Gymnasium id, or module:Id-v0", code=True)
    entry_point: str | None = _key(
        None, "module:Name of a class or function that makes the task, in place of env.id", later=True, code=True
    )
    kwargs: dict[str, Any] = _key({}, "arguments of the environment's constructor")
    wrappers: list[Any] = _key(
        [],
        "put around each copy, the last outermost: import paths, or {wrapper: path, ...}",
        later=True,
        code=True,
    )
    num_envs: int = _key(8, "environments per run", at_least=1)
    timeout: float | None = _key(
        None,
        "how long a step or reset may take (vec=async, which auto then is)",
        above=0,
        at_most=1_000_000,  # longer waits overflow the clocks of poll()
        unit="seconds",
        null="for ever",
        experiment=False,
    )
    rescale_actions: bool = _key(False, "map the policy's [-1, 1] onto finite action bounds")
    preset: str = _key("none", "the file in conf/env that these values come from", experiment=False)


@dataclass
class Net:
    """Shape of the two separate networks, actor and critic."""

    hidden: list[int] = _key([64, 64], "width of each hidden layer", at_least=1)
    activation: str = _key("tanh", "function between two layers", choices=("tanh", "relu"))
    log_std: float = _key(0.0, "initial log standard deviation of a continuous policy", above=ANY_FINITE)
    # The policy stays the Gaussian before tanh: its log-probabilities, and the entropy of its bonus.
    squash: str = _key(
        "none",
        "function of continuous actions onto finite bounds, in place of clipping; the entropy bonus is that before it",
        choices=("none", "tanh"),
        later=True,
    )


@dataclass
class Group:
    """One param group of the optimizer."""

    lr: float = _key(3e-4, "base learning rate", at_least=0, per_member=True)


@dataclass
class Role:
    """The curve of one scheduled value. A knob that is null takes the shared one.

    `rl_decay/schedules/curves.py` holds the names of the curves, their knobs and the ranges of these knobs, and
    `config/schedules.py` checks them. So no choices and ranges are stated here.
    """

    curve: str = _key("none", "name of a curve", per_member=True)
    warmup: float | None = _key(None, "share of training held (or ramped) before the decay", per_member=True)
    start: float | None = _key(None, "first value, as a factor of the base value", per_member=True)
    final: float | None = _key(None, "last value, as a factor of the base value", per_member=True)


@dataclass
class Schedule:
    """Curves of the two learning rates and, if asked, of clip range and entropy coefficient."""

    # The ranges are those of the curves. They are stated here too because a shared knob must be in range even where no
    # chosen curve takes it; tests/config/test_schema.py holds the two against each other.
    warmup: float = _key(
        0.1, "shared by actor and critic: share of training held", at_least=0, at_most=1, per_member=True
    )
    start: float = _key(1.0, "shared by actor and critic: first factor of the base rate", at_least=0, per_member=True)
    final: float = _key(0.0, "shared by actor and critic: last factor of the base rate", at_least=0, per_member=True)
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

    num_steps: int = _key(128, "steps per environment and iteration", at_least=1)
    epochs: int = _key(4, "passes over a rollout", at_least=1)
    minibatches: int = _key(4, "minibatches per epoch; must divide num_envs * num_steps", at_least=1)
    gamma: float = _key(0.99, "discount", at_least=0, at_most=1, per_member=True)
    gae_lambda: float = _key(0.95, "GAE's lambda", at_least=0, at_most=1, per_member=True)
    clip: float = _key(0.2, "clip range of the probability ratio", above=0, per_member=True)
    value_clip: float | None = _key(None, "clip range of the value function; null = off", above=0)
    entropy_coef: float = _key(0.0, "weight of the entropy bonus", at_least=0, per_member=True)
    value_coef: float = _key(0.5, "weight of the value loss", at_least=0, per_member=True)
    max_grad_norm: float | None = _key(0.5, "gradient-norm limit; null = off", above=0, per_member=True)
    grad_clip: str = _key("per_group", "over which parameters the norm is taken", choices=("per_group", "joint"))
    target_kl: float | None = _key(
        None, "stop an update's epochs above this mean KL; null = off", above=0, per_member=True
    )


@dataclass
class Normalize:
    """Running normalisation, frozen within an iteration and during evaluation."""

    obs: bool = _key(False, "observations to mean 0, standard deviation 1, clipped at 10")
    reward: bool = _key(False, "rewards by the standard deviation of the running return, clipped at 10")


@dataclass
class Evaluation:
    """Deterministic evaluation on the same reset seeds at every point of every run."""

    seed: int = _key(1_000_003, "root of the reset seeds, the same for every run", at_least=0)
    episodes: int = _key(10, "episodes per evaluation", at_least=1)
    early: int = _key(10, "evaluations in the first 70 % of training", at_least=0)
    late: int = _key(20, "evaluations in the last 30 % of training", at_least=1)
    max_steps: int | None = _key(
        None, "steps after which an episode is cut; null = time limit or 1,000", at_least=1, later=True
    )


@dataclass
class Checkpoint:
    """When the run is saved."""

    every: int | None = _key(None, "iterations between checkpoints; null = one segment", at_least=1, experiment=False)
    keep: int = _key(0, "numbered checkpoints kept beside latest.pt and best.pt", at_least=0, experiment=False)


@dataclass
class Logger:
    """What is written beside metrics.csv, evaluations.csv and summary.json."""

    tensorboard: bool = _key(True, "write TensorBoard event files", experiment=False)


@dataclass
class Config:
    """One run."""

    seed: int = _key(0, "root of every random stream of the run", at_least=0, per_member=True)
    total_steps: int = _key(500_000, "environment steps asked for", at_least=1)
    device: str = _key("auto", "where PyTorch computes", choices=("auto", "cpu", "cuda"))
    threads: int = _key(1, "CPU threads of PyTorch", at_least=1)
    compile: str = _key("none", "torch.compile for the update", choices=("none", "inductor"))
    segments: int = _key(10, "cuts at which every environment is reset from its own seed; 1 = never", at_least=1)
    vec: str = _key(
        "auto",
        "how the slots of the task are stepped: copies one by one or in processes, or all at once in arrays",
        choices=("auto", "sync", "async", "batched"),
        experiment=False,
    )
    resume: str = _key("never", "continue the run that the folder holds", choices=("never", "auto"), experiment=False)
    horizon: str = _key(
        "refuse", "what a longer run does to its schedule", choices=("refuse", "keep", "stretch", "hold")
    )
    compare: str = _key("auto", "the report at the end of a multirun", choices=("auto", "none"), experiment=False)
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
    """Yield (dotted key, value, metadata) of every leaf, in the order of the schema.

    The metadata has one entry more than the field's own: `kind`, the type that the schema gives the key.
    """
    for name, about in _keys_of(type(config)):
        value = getattr(config, name)
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value, about


@cache
def _keys_of(section: type) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The fields of a section and their metadata; made once, because a sweep walks through the schema for every job."""
    return tuple((f.name, {**f.metadata, "kind": f.type}) for f in fields(section))


def unflat(values: Mapping[str, Any]) -> Config:
    """The configuration of {dotted key: value}; a missing key has its default. KeyError for an unknown key."""
    config = Config()
    keys = flat(config)
    for key, value in values.items():
        if key not in keys:
            raise KeyError(key)
        *sections, name = key.split(".")
        section = reduce(getattr, sections, config)
        setattr(section, name, copy.deepcopy(value))  # a copy, or a later change of the caller's list would change both
    return config


def flat(config: Any) -> dict[str, Any]:
    """The configuration as {dotted key: value}."""
    return {key: value for key, value, _ in walk(config)}
