"""Command lines for train.py that a person might mistype, each a function of its seed.

They run beside `TINY`, which keeps whatever turns out to be a sound command to two iterations of four steps. A value
that is sound but long (a million epochs) is therefore not among them: training it would be right.
"""

from __future__ import annotations

from random import Random

from rl_decay.config.schema import Config, walk

TINY = (
    "env.num_envs=1",
    "env.kwargs.max_episode_steps=5",
    "algo.num_steps=4",
    "algo.epochs=1",
    "algo.minibatches=1",
    "net.hidden=[4]",
    "evaluation.episodes=1",
    "evaluation.early=0",
    "evaluation.late=1",
    "total_steps=8",
    "logger.tensorboard=false",
    "device=cpu",
    "compare=none",
)
KEYS = tuple(key for key, _, _ in walk(Config()))
SECTIONS = tuple(dict.fromkeys(key.rpartition(".")[0] for key in KEYS if "." in key))
ROLLOUT = ("env.num_envs", "algo.num_steps")  # an iteration of so many steps needs a budget of as many
COUNTS = (*ROLLOUT, "evaluation.episodes", "evaluation.late", "evaluation.early", "segments", "algo.epochs")
VALUES = (
    *("null", "-1", "-0.5", "0", "1.5", "7", "true", "yes", "01", "1_0", "0x10", "1e400", "-1e-400", "nan", "inf"),
    *("-inf", "NaN", "9223372036854775808", "-9223372036854775809", "1" * 300, "1e300", "1e39", "1e-46"),
    *(
        "",
        "''",
        '""',
        "text",
        "a b",
        "'it''s'",
        '"',
        "'",
        "\\",
        "\\'",
        "é",
        "人",
        "\u202e",
        "\ud800",
        "a\nb",
        "\x1b[31mred",
    ),
    *("x" * 300, "[]", "[1,2]", "[[1]]", "[", "[1", "[null]", "[-1]", "[1e9]", "[a]", "[1.5]", "{}", "{a:1}", "{a"),
    *("{a:[1,{b:nan}]}", "{1:2}", "{a:{a:{a:{a:null}}}}", "${seed}", "${nope}", "${nope:1}", "${oc.env:NOPE}", "${"),
    *("${env}", "${now:%Y}", "${oc.env:HOME}", "${hydra:job.name}", "$", "%", "???", "a=b", "a,b", "range(0,3)"),
    *(
        "choice(1,2)",
        "glob(*)",
        "interval(0,1)",
        "int(x)",
        "json_str(x)",
        "nope(1)",
        "../x",
        "/nonexistent/x",
        "~",
        "#",
    ),
)
HUGE = ("1e12", "10000000000000", "9223372036854775807")  # numbers that no machine's memory holds
PRESETS = ("acrobot", "cartpole", "generic", "mountain_car", "mountain_car_continuous", "pendulum")
CURVES = ("none", "linear", "linear_warmup")
GROUPS = {
    "env": PRESETS,
    "schedule": CURVES,
    "schedule/actor": CURVES,
    "schedule/critic": CURVES,
    "schedule/clip": CURVES,
    "schedule/entropy": CURVES,
    "algo": ("ppo",),
    "net": ("mlp",),
    "logger": ("none", "tensorboard"),
    "experiment": ("cleanrl", "constant_critic", "debug", "reversed", "null"),
}
NO_OPTIONS = ("nope", "null", "3", "[linear]", "[linear,none]", "{a:1}", "", "../env", "é", "true", "'a b'", "${seed}")
HYDRA = (
    *("hydra.run.dir=", "hydra.run.dir=null", "hydra.run.dir=[1]", "hydra.run.dir=${nope}", "hydra.run.dir=${seed}"),
    *(
        "hydra.run.dir=.",
        "hydra.run.dir=a:b",
        "hydra.run.dir=" + "x" * 300,
        "hydra.run.dir='my run'",
        "hydra.run.dir=3",
    ),
    *("hydra.run.dir=${env}", "hydra.run.dir=a/b/c", "hydra.run.dir={a:1}", "hydra.run.dir=???", "hydra.run.dir=a\nb"),
    *("hydra.job.name=a/b", "hydra.job.name=", "hydra.job.name=null", "hydra.job.name=" + "x" * 300, "hydra.job.id=x"),
    *("hydra.job.chdir=true", "hydra.job.chdir=maybe", "hydra.job.chdir=null", "hydra.job.num=x", "hydra.job=3"),
    *("hydra.output_subdir=null", "hydra.output_subdir=a/b", "hydra.output_subdir=", "hydra.output_subdir=[1]"),
    *("hydra.verbose=true", "hydra.verbose=nope", "hydra.verbose=[1]", "hydra.mode=MULTIRUN", "hydra.mode=nope"),
    *("hydra.launcher=null", "hydra.launcher._target_=nope.Nope", "hydra.launcher.workers=0", "hydra.launcher.nope=1"),
    *("hydra.launcher.max_members=x", "hydra/launcher=basic", "hydra/launcher=nope", "hydra/launcher=null"),
    *("hydra.sweeper=null", "hydra.sweeper.max_batch_size=0", "hydra.sweeper.max_batch_size=-1", "hydra/sweeper=nope"),
    *(
        "hydra.sweeper._target_=nope.Nope",
        "hydra.sweeper.params=3",
        "+hydra.sweeper.params.seed=0",
        "hydra.callbacks=null",
    ),
    *(
        "hydra.callbacks.run_guard=null",
        "hydra.callbacks.run_guard._target_=nope.Nope",
        "~hydra.callbacks",
        "hydra=null",
    ),
    *("hydra.sweep.dir=", "hydra.sweep.dir=null", "hydra.sweep.subdir=", "hydra.sweep.subdir=same", "hydra.sweep=3"),
    *("hydra.sweep.subdir=null", "hydra.sweep.subdir=${nope}", "hydra.sweep.subdir=a/b", "hydra.searchpath=[nope]"),
    *(
        "hydra/job_logging=none",
        "hydra/job_logging=nope",
        "hydra/hydra_logging=none",
        "hydra/help=nope",
        "hydra/output=x",
    ),
    *(
        "hydra.searchpath=3",
        "hydra.job_logging=null",
        "hydra.help=null",
        "hydra.nope=1",
        "+hydra.nope=1",
        "hydra/nope=a",
    ),
)
SWEEPS = (
    *("seed=range(0,0)", "seed=range(5,1)", "seed=range(0,1,0)", "seed=range(0,2)", "seed=range(1,0,-1)", "seed=1,1"),
    *("seed=range(0.5,1)", "seed=range(a,b)", "seed=range()", "seed=range(0,nan)", "seed=choice()", "seed=choice(0,1)"),
    *(
        "seed=0,-1",
        "seed=a,b",
        "seed=0,null",
        "seed=,",
        "seed=0,",
        "seed=[0,1],[2]",
        "seed=interval(0,1)",
        "seed=${nope},1",
    ),
    *("seed=shuffle(range(0,2))", "seed=sort(1,0)", "seed=glob(*)", "schedule=glob(n*)", "schedule=glob(z*)"),
    *(
        "schedule=none,nope",
        "schedule/actor=none,linear_warmup",
        "net.hidden=[4],[8]",
        "env=cartpole,nope",
        "env=glob(*m)",
    ),
    *("total_steps=8,4", "total_steps=8,3", "actor.lr=1e-3,-1", "env.id=CartPole-v1,Nope-v0", "nope=1,2", "+nope=1,2"),
    *(
        "env.id=CartPole-v1,Pendulum-v1",
        "algo.gamma=0.9,2",
        "device=cpu,nope",
        "hydra.run.dir=a,b",
        "experiment=debug,nope",
    ),
)
FLAGS = (
    *(
        "--cfg job",
        "--cfg nope",
        "--cfg all --resolve",
        "--cfg job --package nope",
        "--package x",
        "--resolve",
        "--help",
    ),
    *("--hydra-help", "--version", "--nope", "--info", "--info nope", "--run --multirun", "--config-name nope", "-x"),
    *("--config-name", "--config-path nope", "--config-dir nope", "--config-dir .", "--experimental-rerun x"),
    *(
        "--shell-completion",
        "--shell-completion query=x",
        "--",
        "-",
        "=",
        "==1",
        "=1",
        "~",
        "~nope",
        "~seed",
        "+",
        "++seed=2",
    ),
    *("~env.kwargs", "+seed=1", "seed", "seed=", "seed==1", "seed:=1", "'seed=1'", '"', "{", "seed=1=2", "[seed]=1"),
    *(
        "seed@x=1",
        "env@x=cartpole",
        "env@env=cartpole",
        "/env=cartpole",
        "env/=cartpole",
        "env=",
        "env.=1",
        ".env=1",
        "é=1",
    ),
)


def command(seed: int) -> list[str]:
    """The words of one odd command behind `python train.py`."""
    random = Random(f"command {seed}")
    kind = random.choices((_values, _choices, _unknown, _hydra, _sweep, _flags), (8, 3, 2, 4, 3, 3))[0]
    options, words = kind(random)
    if random.random() < 0.15:
        words += _values(random)[1]
    return [*options, *TINY, *words]  # Hydra wants options in front of the values


Words = tuple[list[str], list[str]]  # options, and what follows the sound values


def _values(random: Random) -> Words:
    shape = random.random()
    if shape < 0.1:
        return [], _huge(random)
    if shape < 0.2:
        return [], [f"{random.choice(SECTIONS)}={random.choice(VALUES)}"]
    if shape < 0.3:
        return [], [f"+env.kwargs.{random.choice(('x', 'render_mode', 'id', 'é', '3'))}={random.choice(VALUES)}"]
    return [], [f"{key}={random.choice(VALUES)}" for key in random.sample(KEYS, random.choice((1, 1, 2)))]


def _huge(random: Random) -> list[str]:
    key, value = random.choice((*COUNTS, "net.hidden")), random.choice(HUGE)
    if key == "net.hidden":
        return [f"net.hidden=[{value}]"]
    return [f"{key}={value}", *(["total_steps=9223372036854775807"] if key in ROLLOUT else [])]


def _choices(random: Random) -> Words:
    words = [f"{group}={random.choice(GROUPS[group])}" for group in random.sample(tuple(GROUPS), 2)]
    if random.random() < 0.7:
        words[0] = f"{random.choice(tuple(GROUPS))}={random.choice(NO_OPTIONS)}"
    return [], words


def _unknown(random: Random) -> Words:
    """A key with a letter too few, twice or of another kind, and perhaps one of Hydra's marks before it."""
    key = random.choice(KEYS)
    at = random.randrange(len(key))
    key = key[:at] + random.choice(("", key[at] * 2, ".", "/", "-", " ", "é", "[0]", ":")) + key[at + 1 :]
    return [], [f"{random.choice(('', '', '+', '++', '~'))}{key}={random.choice(VALUES)}"]


def _hydra(random: Random) -> Words:
    return ["-m"] if random.random() < 0.3 else [], [random.choice(HYDRA)]


def _sweep(random: Random) -> Words:
    launcher = random.choice(("hydra/launcher=basic", "hydra.launcher.workers=1", "hydra.launcher.workers=1"))
    return ["-m"], [launcher, random.choice(SWEEPS)]


def _flags(random: Random) -> Words:
    words = random.choice(FLAGS).split(" ")
    return (words, []) if words[0].startswith("-") else ([], words)
