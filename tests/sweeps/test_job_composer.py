"""A job that is composed from a template is the job that Hydra composes: values, types and flags of every node."""

from pathlib import Path

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import Container, DictConfig, OmegaConf
from variants import every

from rl_decay.config.schema import Config, flat
from rl_decay.hydra_app.compose import register
from rl_decay.hydra_app.job_composer import PLAIN_KEYS, JobComposer

CONF = Path(__file__).parents[2] / "conf"
# Grids as a sweeper splits them: each list is the jobs of one sweep.
GRIDS = {
    "seeds": [["seed=0"], ["seed=1"], ["seed=12_000"]],
    "whole and decimal rates": [["actor.lr=1e-3"], ["actor.lr=1"], ["actor.lr=0.5"], ["actor.lr=.5"]],
    "null, and back": [["algo.target_kl=1e-4"], ["algo.target_kl=null"], ["algo.target_kl=0.02"]],
    "words": [["algo.grad_clip=joint"], ["algo.grad_clip=per_group"], ["algo.grad_clip='joint'"]],
    "booleans": [["normalize.obs=true"], ["normalize.obs=false"], ["normalize.obs=yes"]],
    "interpolations": [["critic.lr=1"], ["critic.lr=${actor.lr}"], ["critic.lr=${oc.env:HOME}"], ["critic.lr=2"]],
    "paths": [["init_from=a/b.pt"], ["init_from='a b.pt'"], ["init_from='x=y.pt'"], ["init_from=null"]],
    "options": [[f"schedule/actor={actor}", f"seed={seed}"] for actor in ("none", "linear") for seed in (0, 1)],
    "option after value": [[f"seed={seed}", f"env={env}"] for env in ("pendulum", "acrobot") for seed in (0, 1)],
    "value that an option sets": [
        [f"env={env}", f"env.num_envs={n}"] for env in ("pendulum", "acrobot") for n in (2, 4)
    ],
    "experiments": [[f"experiment={name}", f"total_steps={n}"] for name in ("debug", "sb3") for n in (4096, 8192)],
    "arguments of the task": [[f"env.kwargs.x={x}", f"seed={s}"] for x in (1, 2) for s in (0, 1)],
    "a mapping of arguments": [
        ["env.kwargs={x:1}", "seed=0"],
        ["env.kwargs={y:2}", "seed=1"],
        ["env.kwargs={y:2}", "seed=2"],
    ],
    "lists": [["net.hidden=[8]", "seed=0"], ["net.hidden=[8,8]", "seed=0"], ["net.hidden=[8,8]", "seed=1"]],
    "a section over a value": [["env.num_envs=2", "env={num_envs: 8}"], ["env.num_envs=4", "env={num_envs: 8}"]],
    "a value over a section": [["env={num_envs: 8}", "env.num_envs=2"], ["env={num_envs: 8}", "env.num_envs=4"]],
    "forced": [["++seed=1", "actor.lr=1"], ["++seed=1", "actor.lr=2"], ["++seed=2", "seed=5"], ["++seed=2", "seed=6"]],
    "added": [["+algo.new=1", "seed=1"], ["+algo.new=1", "seed=2"]],
    "removed": [["+env.kwargs.x=1", "~env.kwargs.x", "seed=1"], ["+env.kwargs.x=1", "~env.kwargs.x", "seed=2"]],
    "an option removed": [["~schedule/clip", "seed=1"], ["~schedule/clip", "seed=2"]],
    "Hydra's own keys": [[f"hydra.sweep.subdir=x_${{seed}}_{n}", f"seed={seed}"] for n in (1, 2) for seed in (3, 4)],
    "Hydra's own number": [[f"seed={seed}", "hydra.job.name=other"] for seed in (3, 4, 5)],
}
# The first job of each is fine, the second is refused by Hydra.
MISTAKES = {
    "no number": [["seed=1"], ["seed=abc"]],
    "no whole number": [["seed=1"], ["seed=1.5"]],
    "nothing": [["seed=1"], ["seed="]],
    "null": [["seed=1"], ["seed=null"]],
    "a list": [["seed=1"], ["seed=[1]"]],
    "a sweep inside a job": [["seed=1"], ["seed=1,2"]],
    "no syntax": [["env.id=A-v0"], ["env.id=${"]],
}


@pytest.fixture(scope="module")
def loader():
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return GlobalHydra.instance().config_loader()


@pytest.fixture(scope="module")
def sweep_config(loader):
    return loader.load_configuration("config", ["hydra.sweep.dir=sweep"], RunMode.MULTIRUN)


def nodes(node, path="") -> dict[str, tuple]:
    """Everything that a configuration is, node by node."""
    about = node._metadata
    flags = dict(about.flags or {})
    kinds = (type(node), about.ref_type, about.object_type, about.optional, flags)
    if not isinstance(node, Container) or node._is_none() or node._is_missing() or node._is_interpolation():
        return {path: (*kinds, type(node._value()), node._value())}
    content = {path: (*kinds, dict(about.resolver_cache) if path == "" else None)}
    items = node.items_ex(resolve=False) if isinstance(node, DictConfig) else enumerate(node._content)
    for key, _ in items:
        child = node._get_node(key)
        assert child._get_parent() is node and child._key() == key
        content |= nodes(child, f"{path}.{key}")
    return content


@pytest.mark.parametrize("name", every(5, GRIDS))
def test_every_job_is_hydras(loader, sweep_config, name):
    grid = GRIDS[name]
    composer = JobComposer(loader, sweep_config)
    for overrides in [*grid, *grid[::-1]]:
        composed, expected = composer.compose(overrides), loader.load_sweep_config(sweep_config, overrides)
        assert nodes(composed) == nodes(expected)
        assert OmegaConf.to_yaml(composed) == OmegaConf.to_yaml(expected)


@pytest.mark.thorough
def test_every_plain_key_can_be_swept(loader, sweep_config):
    composer = JobComposer(loader, sweep_config)
    for key, value in flat(Config()).items():
        if key not in PLAIN_KEYS:
            assert isinstance(value, (list, dict))
            continue
        other = {bool: "true", int: "77", float: "0.125"}.get(type(value), "null" if value is None else "word")
        for word in (f"{key}={value if value is not None else 'null'}", f"{key}={other}"):
            expected = loader.load_sweep_config(sweep_config, [word, "seed=5"])
            assert nodes(composer.compose([word, "seed=5"])) == nodes(expected), word


@pytest.mark.parametrize("name", every(3, MISTAKES))
def test_a_mistake_in_a_later_job_is_worded_by_hydra(loader, sweep_config, name):
    grid = MISTAKES[name]
    composer = JobComposer(loader, sweep_config)
    composer.compose(grid[0])
    with pytest.raises(Exception) as expected:
        loader.load_sweep_config(sweep_config, grid[1])
    with pytest.raises(type(expected.value)) as raised:
        composer.compose(grid[1])
    assert str(raised.value) == str(expected.value)


def test_jobs_that_differ_in_plain_values_are_composed_once(loader, sweep_config, monkeypatch):
    composed = []
    original = type(loader).load_sweep_config
    monkeypatch.setattr(type(loader), "load_sweep_config", lambda *a: composed.append(a[2]) or original(*a))
    composer = JobComposer(loader, sweep_config)
    for curve in ("none", "linear"):
        for seed in range(4):
            composer.compose([f"schedule={curve}", f"seed={seed}", f"actor.lr=1e-{seed + 1}"])
    assert composed == [["schedule=none", "seed=0", "actor.lr=1e-1"], ["schedule=linear", "seed=0", "actor.lr=1e-1"]]


def test_a_folder_of_options_called_after_a_key_is_left_to_hydra(tmp_path, monkeypatch):
    (tmp_path / "config.yaml").write_text("defaults: [schema, {seed: one}, _self_]\n")
    (tmp_path / "seed").mkdir()
    for number, name in enumerate(("one", "two")):
        (tmp_path / "seed" / f"{name}.yaml").write_text(f"# @package _global_\nseed: {number}\ntotal_steps: {number}\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        sweep_config = loader.load_configuration("config", [], RunMode.MULTIRUN)
        composer = JobComposer(loader, sweep_config)
        assert [composer.compose([f"seed={name}"]).total_steps for name in ("one", "two", "one")] == [0, 1, 0]
