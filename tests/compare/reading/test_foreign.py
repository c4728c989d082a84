import math
import os
import struct

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.plugins.scalar.metadata import create_summary_metadata as scalar_metadata
from tensorboard.plugins.text.metadata import create_summary_metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from rl_decay.compare.analysis import arms
from rl_decay.compare.reading import foreign
from rl_decay.compare.reading.own import load
from rl_decay.errors import UserError
from rl_decay.runs.event_reader import LARGE, read_events
from rl_decay.runs.records import masked_crc32c

RANDOM, REFERENCE = 22.97, 500.0  # the score constants of CartPole-v1


def write_events(folder, scalars=(), texts=(), name="events.out.tfevents.1.host"):
    """An event file: scalars (tag, step, value) in order, texts (tag, text)."""
    folder.mkdir(parents=True, exist_ok=True)
    values = [(0, Summary.Value(tag=tag, metadata=text_metadata("", ""), tensor=_tensor(text))) for tag, text in texts]
    values += [(step, Summary.Value(tag=tag, simple_value=value)) for tag, step, value in scalars]
    with open(folder / name, "wb") as file:
        writer = RecordWriter(file)
        writer.write(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())
        for step, value in values:
            writer.write(Event(wall_time=1.0, step=step, summary=Summary(value=[value])).SerializeToString())
    return folder / name


def _tensor(text):
    return make_tensor_proto([text])


def cleanrl(folder, seed=1, anneal=True, asked=1000, last=1000, returns=None, table=True):
    """A run as CleanRL's ppo.py leaves it: one return per 10 steps, a rate per 100."""
    hyper = {"exp_name": "ppo", "seed": seed, "env_id": "CartPole-v1", "total_timesteps": asked, "anneal_lr": anneal}
    hyper |= {"learning_rate": 0.00025, "cuda": seed == 1, "batch_size": f"10{seed}"}
    text = "|param|value|\n|-|-|\n" + "\n".join(f"|{key}|{value}|" for key, value in hyper.items())
    scalars = []
    for i in range(1, last // 10 + 1):
        value = 100.0 if returns is None else returns[i - 1]
        scalars.append(("charts/episodic_return", 10 * i, value))
        if i % 10 == 0:
            rate = 0.00025 * (1 - (i - 10) * 10 / asked) if anneal else 0.00025
            scalars.append(("charts/learning_rate", 10 * i, rate))
    write_events(folder, scalars, [("hyperparameters/text_summary", text)] if table else ())
    return folder


def sb3(folder, value=100.0, rate=0.0003, last=1000):
    """A run as Stable-Baselines3 leaves it."""
    scalars = []
    for step in range(100, last + 1, 100):
        scalars += [("rollout/ep_rew_mean", step, value), ("time/fps", step, 1.0)]
        scalars += [("train/learning_rate", step, rate)] if step > 100 else []
    write_events(folder, scalars)
    return folder


def test_cleanrl_by_its_hyperparameters(tmp_path):
    returns = [RANDOM + (REFERENCE - RANDOM) * i / 100 for i in range(100)]
    folder = cleanrl(tmp_path / "runs" / "CartPole-v1__ppo__4__1700000000", seed=4, returns=returns)
    (run,) = foreign.load([tmp_path], "cleanrl").runs
    assert (run.folder, run.task, run.seed, run.source) == (folder, "CartPole-v1", 4, "cleanrl")
    assert (run.status, run.total_steps, run.unit) == ("finished", 1000, "score")
    assert run.config == {"exp_name": "ppo", "anneal_lr": "True", "learning_rate": "0.00025"}
    # the mean of the episodes so far: 0, 0.005, 0.01, ...; at the end that of 0 ... 0.99
    assert run.scores[[0, 1, 2, -1]] == pytest.approx([0, 0.005, 0.01, 0.495], abs=1e-6)
    assert run.metrics["last_iterate"] == run.scores[-1] and run.metrics["final"] == run.scores[-10:].mean()
    assert math.isnan(run.metrics["osc_late"]) and math.isnan(run.metrics["residual_std"])
    steps, rate = run.rates["actor"]
    assert steps.tolist() == list(range(100, 1001, 100)) and rate[[0, -1]] == pytest.approx([0.00025, 0.000025])


def test_a_return_is_the_mean_of_the_last_hundred_episodes(tmp_path):
    returns = [RANDOM] * 100 + [REFERENCE] * 50
    cleanrl(tmp_path / "CartPole-v1__ppo__1__1", asked=1500, last=1500, returns=returns)
    (run,) = foreign.load([tmp_path], "cleanrl").runs
    # 50 of the last 100 episodes score 1; at point 66 of 100, env step 990, none of 99 does
    assert run.scores[[-1, 65]] == pytest.approx([0.5, 0.0], abs=1e-6)


def test_cleanrl_by_its_folder_where_it_has_no_table(tmp_path):
    cleanrl(tmp_path / "CartPole-v1__my__ppo__7__1700000000", table=False)
    (run,) = foreign.load([tmp_path], "cleanrl").runs
    assert (run.task, run.seed, run.config) == ("CartPole-v1", 7, {"exp_name": "my__ppo"})
    assert foreign.load([tmp_path], "cleanrl", task="Acrobot-v1").runs[0].task == "Acrobot-v1"


def test_cleanrl_arms_are_hyperparameters_and_the_constant_rate_is_the_baseline(tmp_path):
    for anneal in (True, False):
        for seed in (1, 2):
            cleanrl(tmp_path / f"CartPole-v1__ppo__{seed}__{170 + anneal}", seed=seed, anneal=anneal)
    grouped, _ = arms.group(foreign.load([tmp_path], "cleanrl").runs, by=(), across_tasks=False)
    assert {arm.name: [run.seed for run in arm.runs] for arm in grouped} == {
        "anneal_lr=False": [1, 2],
        "anneal_lr=True": [1, 2],
    }
    assert arms.choose_baseline(grouped, None) == "anneal_lr=False"


def test_a_cleanrl_run_that_ends_early_is_listed(tmp_path):
    folder = cleanrl(tmp_path / "CartPole-v1__ppo__1__1", asked=1000, last=400)
    found = foreign.load([tmp_path], "cleanrl")
    (one,) = found.unfinished
    assert not found.runs and (one.folder, one.progress) == (folder, 0.4) and "400 of 1000" in one.reason


def test_sb3_by_names(tmp_path):
    sb3(tmp_path / "CartPole-v1" / "linear" / "PPO_2")
    sb3(tmp_path / "CartPole-v1" / "none_seed5_1")
    one, other = foreign.load([tmp_path], "sb3").runs
    assert (one.task, one.seed, one.config) == ("CartPole-v1", 2, {"experiment": "linear/PPO"})
    assert (other.task, other.seed, other.config) == ("CartPole-v1", 5, {"experiment": "none"})
    assert one.scores[-1] == pytest.approx((100 - RANDOM) / (REFERENCE - RANDOM))
    assert one.rates["critic"][0].tolist() == list(range(200, 1001, 100)) and one.total_steps == 1000
    assert one.metrics["steps_to_0.8"] != one.metrics["steps_to_0.8"]  # never reached


def test_task_and_seed_that_nothing_tells(tmp_path):
    sb3(tmp_path / "PPO_1")
    sb3(tmp_path / "CartPole-v1")
    lines = foreign.load([tmp_path], "sb3").skipped
    assert len(lines) == 2
    assert str(tmp_path / "CartPole-v1") in lines[0] and "seed" in lines[0]
    assert str(tmp_path / "PPO_1") in lines[1] and "--task" in lines[1]
    assert [run.seed for run in foreign.load([tmp_path / "PPO_1"], "sb3", task="Pendulum-v1").runs] == [1]


def test_several_files_are_one_run(tmp_path):
    folder = tmp_path / "CartPole-v1_1"
    write_events(folder, [("rollout/ep_rew_mean", 100 * i, 10.0) for i in range(1, 6)], name="events.out.tfevents.1.a")
    write_events(folder, [("rollout/ep_rew_mean", 100 * i, 20.0) for i in range(6, 11)], name="events.out.tfevents.2.a")
    (run,) = foreign.load([tmp_path], "sb3").runs
    assert run.total_steps == 1000 and len(set(run.scores)) == 2


def test_a_return_that_is_not_finite_ends_the_run(tmp_path):
    returns = [RANDOM] * 50 + [math.nan] * 50
    cleanrl(tmp_path / "CartPole-v1__ppo__1__1", returns=returns)
    (run,) = foreign.load([tmp_path], "cleanrl").runs
    assert run.status == "diverged" and np.isfinite(run.scores).all()


DAMAGES = {
    "cut off": lambda data: data[:-3],
    "cut off in a head": lambda data: data + b"\x01\x02",
    "a flipped bit": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    "a length": lambda data: data[: len(data) // 2] + struct.pack("<Q", 1 << 60) + data[len(data) // 2 :],
    "zeros": lambda data: data + bytes(64),
    "another file": lambda data: b"no events at all, but a text of some length",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_event_file_is_a_line_that_names_it(tmp_path, damage):
    sb3(tmp_path / "CartPole-v1" / "PPO_1")
    path = next(sb3(tmp_path / "CartPole-v1" / "PPO_2").iterdir())
    path.write_bytes(damage(path.read_bytes()))
    found = foreign.load([tmp_path], "sb3")
    assert [run.seed for run in found.runs] == [1]
    assert len(found.skipped) == 1 and str(path) in found.skipped[0] and "damaged" in found.skipped[0]


def test_absurdly_long_numbers_tell_nothing(tmp_path):
    seedless = cleanrl(tmp_path / "one", seed="9" * 5000)
    (line,) = foreign.load([seedless], "cleanrl").skipped
    assert line.startswith(f"{seedless}: nothing tells its seed")
    (run,) = foreign.load([cleanrl(tmp_path / "two", asked="9" * 5000, anneal=False)], "cleanrl").runs
    assert run.total_steps == 1000


def test_files_without_returns(tmp_path):
    write_events(tmp_path / "CartPole-v1_1", [("time/fps", 100, 1.0)])
    (tmp_path / "CartPole-v1_2").mkdir()
    (tmp_path / "CartPole-v1_2" / "events.out.tfevents.1.host").write_bytes(b"")
    lines = foreign.load([tmp_path], "sb3").skipped
    assert len(lines) == 2 and all("no rollout/ep_rew_mean" in line for line in lines)


def test_own_runs_are_not_foreign_and_stand_beside_them(make_run, tmp_path):
    (make_run(tmp_path / "own", total_steps=1000, scores=[0.5] * 10) / "events.out.tfevents.1.host").write_bytes(b"")
    sb3(tmp_path / "CartPole-v1_1", rate=0.1)
    assert len(foreign.load([tmp_path], "sb3").runs) == 1
    found = load([tmp_path], training=True) + foreign.load([tmp_path], "sb3")
    grouped, _ = arms.group(found.runs, by=(), across_tasks=False)
    assert [arm.name for arm in grouped] == ["source=rl_decay", "source=sb3"]


def test_budgets_of_different_programs_may_differ_by_their_rounding(make_run, tmp_path):
    make_run(tmp_path / "own", total_steps=1000, scores=[0.5] * 10)
    sb3(tmp_path / "CartPole-v1_1", last=1000)
    sb3(tmp_path / "CartPole-v1_2", last=1100)
    runs = (load([tmp_path], training=True) + foreign.load([tmp_path], "sb3")).runs
    assert len(arms.group(runs[:2], by=(), across_tasks=False)[0]) == 2
    with pytest.raises(UserError, match=r"env steps differs: 1000 \(.*own\), 1100 \(.*CartPole-v1_2\)"):
        arms.group(runs, by=(), across_tasks=False)


def test_an_unknown_program(tmp_path):
    with pytest.raises(UserError, match="--from tianshou: no such program; choose one of cleanrl, sb3"):
        foreign.load([tmp_path], "tianshou")


def test_checksums_are_those_of_tensorboard():
    parts = [b"", b"a", b"123456789" * 50, bytes(range(256)), b"a"]
    assert masked_crc32c(parts).tolist() == [pywrap_tensorflow.masked_crc32c(part) for part in parts]
    assert masked_crc32c([]).tolist() == []


def test_scalars_of_both_kinds_texts_and_large_records(tmp_path):
    path = write_events(tmp_path, [("a", 3, 1.5), ("a", 1, 0.5)], [("about", "one|two")])
    new = Summary.Value(tag="a", metadata=scalar_metadata("", ""), tensor=make_tensor_proto(2.5))
    image = Summary.Value(tag="picture", image=Summary.Image(encoded_image_string=bytes(LARGE)))
    with open(path, "ab") as file:
        for value in (image, new):
            RecordWriter(file).write(Event(step=2, summary=Summary(value=[value])).SerializeToString())
    events = read_events([path])
    steps, values = events.points("a")
    assert steps.tolist() == [1, 2, 3] and values.tolist() == [0.5, 2.5, 1.5] and events.texts == {"about": "one|two"}
    assert len(events.points("picture")[0]) == 0


def test_a_pipe_in_the_place_of_an_event_file_is_not_waited_for(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    os.mkfifo(path)
    with pytest.raises(UserError, match=f"{path}: cannot be read"):
        read_events([path])
