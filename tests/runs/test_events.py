"""Curves: what the event file holds, when, and how a resumed run goes on."""

import io
import math
import os

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from rl_decay.runs import events as events_module
from rl_decay.runs.durable import truncate_synced
from rl_decay.runs.events import EventFile
from rl_decay.runs.records import framed


def accumulated(folder) -> EventAccumulator:
    return EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()


def curve(folder, tag: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in accumulated(folder).Scalars(tag)]


def test_nothing_is_written_before_the_first_flush(tmp_path):
    events = EventFile(tmp_path)
    events.scalars(1, {"a": 1.0})
    assert os.listdir(tmp_path) == []
    assert events.flush() == events.path.stat().st_size
    assert os.listdir(tmp_path) == [events.path.name]


def test_names_carry_the_start_time_and_differ(tmp_path):
    first, second = EventFile(tmp_path, start_time=1700000000.9), EventFile(tmp_path, start_time=1700000000.9)
    assert first.path.name.startswith("events.out.tfevents.1700000000.")
    assert f".{os.getpid()}." in first.path.name
    assert first.path != second.path


def test_tensorboard_reads_every_point_over_many_flushes(tmp_path):
    events = EventFile(tmp_path)
    for i in range(12_000):  # TensorBoard's own default would keep 10,000 of them
        events.scalars(8 * i, {"lr/actor": 1 / (1 + i)})
        if i % 997 == 0:
            assert events.flush() == events.path.stat().st_size
    length = events.flush()
    assert events.flush() == length
    expected = [(8 * i, float(np.float32(1 / (1 + i)))) for i in range(12_000)]
    assert curve(tmp_path, "lr/actor") == expected


def test_scalars_of_a_step_share_one_event(tmp_path):
    events = EventFile(tmp_path)
    events.scalars(np.int64(7), {"a": 1, "b": np.float32(0.5), "c": True}, wall_time=123.5)
    events.flush()
    found = accumulated(tmp_path)
    points = {tag: (p.wall_time, p.step, p.value) for tag in "abc" for p in found.Scalars(tag)}
    assert points == {"a": (123.5, 7, 1.0), "b": (123.5, 7, 0.5), "c": (123.5, 7, 1.0)}
    assert len(list(RawEventFileLoader(str(events.path)).Load())) == 2  # the other one is the file's version


def test_undefined_scalars_are_left_out(tmp_path):
    events = EventFile(tmp_path)
    before = events.flush()
    events.scalars(1, {"a": None, "b": math.nan, "c": np.float32("nan")})
    assert events.flush() == before
    events.scalars(2, {"a": math.inf, "b": None})
    events.flush()
    assert accumulated(tmp_path).Tags()["scalars"] == ["a"]
    assert curve(tmp_path, "a") == [(2, math.inf)]


def test_steps_are_whole_numbers(tmp_path):
    with pytest.raises(TypeError):
        EventFile(tmp_path).scalars(1.5, {"a": 1.0})  # pyright: ignore[reportArgumentType]


def test_images_are_png_files_as_they_are(tmp_path):
    # signature, then the header chunk: its length, its name, width 7, height 3
    png = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes([0, 0, 0, 7, 0, 0, 0, 3]) + b"the rest \0"
    events = EventFile(tmp_path)
    events.image("a/b", 5, png)
    events.flush()
    (image,) = accumulated(tmp_path).Images("a/b")
    assert (image.step, image.width, image.height, image.encoded_image_string) == (5, 7, 3, png)


def test_a_resumed_run_is_one_run(tmp_path):
    events = EventFile(tmp_path, start_time=1000)
    for step in range(5):
        events.scalars(step, {"a": step})
    length = events.flush()
    for step in range(5, 8):
        events.scalars(step, {"a": -1.0})
    events.flush()
    watching = accumulated(tmp_path)  # a TensorBoard that saw the points that are now cut off
    truncate_synced(events.path, length)
    resumed = EventFile(tmp_path, start_time=2000)
    resumed.restart(5)
    for step in range(5, 10):
        resumed.scalars(step, {"a": step})
    resumed.flush()
    assert curve(tmp_path, "a") == [(step, step) for step in range(10)]
    assert [point.value for point in watching.Reload().Scalars("a")] == list(range(10))


def test_a_file_cut_to_nothing_or_torn_still_reads(tmp_path):
    events = EventFile(tmp_path, start_time=1000)
    events.scalars(1, {"a": 1.0})
    length = events.flush()
    events.scalars(2, {"a": 2.0})
    truncate_synced(events.path, events.flush() - 3)
    assert curve(tmp_path, "a") == [(1, 1.0)]
    truncate_synced(events.path, 0)
    resumed = EventFile(tmp_path, start_time=2000)
    resumed.scalars(1, {"a": 5.0})
    assert resumed.flush() == length
    assert curve(tmp_path, "a") == [(1, 5.0)]


def test_neither_torch_nor_tensorflow_is_imported(tmp_path, python):
    code = """
import sys
from rl_decay.runs.events import EventFile
events = EventFile(sys.argv[1])
events.add_chart_layout({"a": {"b": ["c"]}})
events.hparams({"a": 1}, ["c"])
events.scalars(1, {"c": 1.0})
events.session_end("finished")
events.flush()
print(sorted({"torch", "tensorflow", "hydra", "omegaconf"} & sys.modules.keys()))
"""
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    (decoy / "tensorflow.py").write_text("raise AssertionError('imported')")
    run = python(f"import sys; sys.path.insert(0, {str(decoy)!r})\n{code}", tmp_path)
    assert run.communicate() == ("[]\n", "")


def test_over_a_thousand_runs_need_no_open_files(tmp_path, python):
    code = """
import os, resource, sys
from rl_decay.runs.events import EventFile
from rl_decay.runs.tables import CsvTable
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
os.fsync = lambda descriptor: None  # the disk's speed is not the question
writers = []
for i in range(1100):
    folder = f"{sys.argv[1]}/{i}"
    os.mkdir(folder)
    writers.append((EventFile(folder), CsvTable(f"{folder}/metrics.csv", ["env_steps", "a"])))
for step in range(2):
    for events, table in writers:
        events.scalars(step, {"a": 1.0})
        table.append({"env_steps": step, "a": 1.0})
        events.flush(), table.flush()
print(len(writers))
"""
    assert python(code, tmp_path).communicate() == ("1100\n", "")
    assert curve(tmp_path / "1099", "a") == [(0, 1.0), (1, 1.0)]
    assert (tmp_path / "1099" / "metrics.csv").read_text() == "env_steps,a\n0,1.0\n1,1.0\n"


def test_the_messages_are_tensorboards_own(tmp_path):
    """They are made here without TensorBoard's helpers, whose imports would delay every start."""
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
    from tensorboard.util.tensor_util import make_tensor_proto

    assert events_module.EMPTY_TENSOR == metadata.NULL_TENSOR
    assert events_module._text_tensor("ü".encode()) == make_tensor_proto("ü")
    assert events_module._text_tensor(b"\0\xff") == make_tensor_proto(b"\0\xff", shape=[])
    events = EventFile(tmp_path)
    events.hparams({"a": 1}, ("b",))
    events.session_end("finished")
    events.flush()
    loaded = [Event.FromString(record) for record in RawEventFileLoader(str(events.path)).Load()]
    values = {value.tag: value for event in loaded for value in event.summary.value}
    tags = {metadata.EXPERIMENT_TAG, metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG}
    assert values.keys() == tags
    end = values[metadata.SESSION_END_INFO_TAG].metadata
    content = metadata.parse_session_end_info_plugin_data(end.plugin_data.content)
    assert isinstance(content, SessionEndInfo)
    assert end == metadata.create_summary_metadata(HParamsPluginData(session_end_info=content))


@pytest.mark.parametrize("size", [0, 1, 7, 8, 255, 256, 5000])
def test_a_record_is_tensorboards_own(size):
    data = np.random.default_rng(size).bytes(size)
    expected = io.BytesIO()
    RecordWriter(expected).write(data)
    assert framed(data) == expected.getvalue()
