"""TensorBoard event files without torch or TensorFlow: TensorBoard's own messages and record format, nothing else."""

# pyright: reportAttributeAccessIssue=false
# (protobuf makes its classes when its modules are imported, where a type checker cannot see them)

from __future__ import annotations

import io
import itertools
import math
import operator
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from rl_decay.errors import escaped
from rl_decay.runs.durable import append
from rl_decay.runs.layout import DIVERGED, EVENTS, FAILED, FINISHED, INTERRUPTED

SESSION_STATUS = {
    FINISHED: api_pb2.STATUS_SUCCESS,
    INTERRUPTED: api_pb2.STATUS_UNKNOWN,
    DIVERGED: api_pb2.STATUS_FAILURE,
    FAILED: api_pb2.STATUS_FAILURE,
}

EXACT_IN_FLOAT64 = 2**53  # larger whole numbers, seeds drawn at random among them, would be rounded
_serial = itertools.count()  # two files of one process and second still get two names


class EventFile:
    """One TensorBoard event file of a run: events wait in memory, and no file is open, until `flush`.

    The name carries `start_time` (seconds since the epoch; now if None). TensorBoard reads the files of a folder in
    the order of their names, and never back: a resumed run cuts the old files, opens a new one, calls `restart`.
    """

    def __init__(self, folder: str | Path, start_time: float | None = None):
        start_time = time.time() if start_time is None else start_time
        name = f"{EVENTS}{int(start_time):010d}.{socket.gethostname()}.{os.getpid()}.{next(_serial)}"
        self.path = Path(folder) / name
        self._waiting, self._length = io.BytesIO(), 0
        self._write(start_time, file_version="brain.Event:2")

    def scalars(self, step: SupportsIndex, values: Mapping[str, Any], wall_time: float | None = None) -> None:
        """Add {tag: number} at a step, as one event (TensorBoard keeps float32); None and NaN are left out."""
        numbers = {tag: float(value) for tag, value in values.items() if value is not None}
        points = [Summary.Value(tag=tag, simple_value=x) for tag, x in numbers.items() if not math.isnan(x)]
        if points:
            self._write(wall_time, step=operator.index(step), summary=Summary(value=points))

    def image(self, tag: str, step: SupportsIndex, png: bytes) -> None:
        """Add a picture, the bytes of a PNG file, at a step."""
        width, height = struct.unpack(">II", png[16:24])  # the header chunk comes first, and they are its first numbers
        picture = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        self._write(None, step=operator.index(step), summary=Summary(value=[Summary.Value(tag=tag, image=picture)]))

    def layout(self, categories: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Group scalars into shared charts: {category: {chart: tags}}, shown on TensorBoard's custom-scalars page."""
        layout = layout_pb2.Layout(
            category=[
                layout_pb2.Category(title=category, chart=[_chart(title, tags) for title, tags in charts.items()])
                for category, charts in categories.items()
            ]
        )
        tensor = make_tensor_proto(layout.SerializeToString(), shape=[])
        self._describe(layout_metadata.CONFIG_SUMMARY_TAG, layout_metadata.create_summary_metadata(), tensor)

    def text(self, tag: str, step: SupportsIndex, markdown: str) -> None:
        """Add a note at a step, shown on TensorBoard's text page."""
        tensor = make_tensor_proto(markdown)
        value = Summary.Value(tag=tag, metadata=text_metadata.create_summary_metadata(tag, ""), tensor=tensor)
        self._write(None, step=operator.index(step), summary=Summary(value=[value]))

    def hparams(self, values: Mapping[str, Any], metrics: Iterable[str], first: Sequence[str] = ()) -> None:
        """Make this run a row of TensorBoard's HParams table: columns are `values`, then the scalar tags `metrics`.

        Columns and their types are taken from one run of the folder, so give all runs the same keys. Five columns are
        shown unasked: those in `first`, then by name. Numbers, booleans and strings stay what they are, None leaves
        the cell empty (a column of numbers and strings cannot be sorted), anything else is shown as text, and so are
        whole numbers that a float64 would round.
        """
        plain = {key: _plain(value) for key, value in values.items()}
        infos = [api_pb2.HParamInfo(name=k, type=_kind(v)[1], differs=k in first) for k, v in plain.items()]
        tags = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics]
        now = time.time()
        experiment = api_pb2.Experiment(hparam_infos=infos, metric_infos=tags, time_created_secs=now)
        self._describe_session(hparams_metadata.EXPERIMENT_TAG, experiment=experiment)
        session = SessionStartInfo(start_time_secs=now)
        for key, value in plain.items():
            if value is not None:
                setattr(session.hparams[key], _kind(value)[0], value)
        self._describe_session(hparams_metadata.SESSION_START_INFO_TAG, session_start_info=session)

    def session_end(self, status: str) -> None:
        """Close the run's HParams row with how it ended (KeyError for `running`).

        The first end in the files counts: write it after the last checkpoint, so that a resumed run cuts it off.
        """
        end = SessionEndInfo(status=SESSION_STATUS[status], end_time_secs=time.time())
        self._describe_session(hparams_metadata.SESSION_END_INFO_TAG, session_end_info=end)

    def restart(self, step: SupportsIndex) -> None:
        """Tell a TensorBoard that already showed points at `step` or later, now cut off, to forget them."""
        self._write(None, step=operator.index(step), session_log=SessionLog(status=SessionLog.START))

    def flush(self) -> int:
        """Write the waiting events, force them to the disk and return the file's length in bytes.

        If that fails (OSError), the file is as it was, the events keep waiting, and flush may be called again.
        FileChangedError where the file has not the length that the last flush left.
        """
        self._length = append(self.path, self._waiting.getvalue(), self._length)
        self._waiting = io.BytesIO()
        return self._length

    def _write(self, wall_time: float | None, **content: Any) -> None:
        event = Event(wall_time=time.time() if wall_time is None else wall_time, **content)
        RecordWriter(self._waiting).write(event.SerializeToString())

    def _describe(self, tag: str, metadata: Any, tensor: Any) -> None:
        """Add an event that is no curve but tells a plugin something about the run."""
        self._write(None, summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))

    def _describe_session(self, tag: str, **content: Any) -> None:
        metadata = hparams_metadata.create_summary_metadata(HParamsPluginData(**content))
        self._describe(tag, metadata, hparams_metadata.NULL_TENSOR)


def _chart(title: str, tags: Sequence[str]) -> Any:
    """One chart with a line per tag. TensorBoard takes regular expressions and matches their beginning only."""
    patterns = [re.escape(tag) + "$" for tag in tags]
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=patterns))


def _plain(value: Any) -> bool | float | str | None:
    """What the HParams table can hold of a value; protobuf refuses text with the bytes of a file's name in it."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) and abs(value) > EXACT_IN_FLOAT64:
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float)) else escaped(value)


def _kind(value: bool | float | str | None) -> tuple[str, Any]:
    """Where a protobuf value keeps this one, and its column's type; bool comes first, because a bool is an int."""
    if value is None:
        return "null_value", api_pb2.DATA_TYPE_UNSET
    if isinstance(value, bool):
        return "bool_value", api_pb2.DATA_TYPE_BOOL
    if isinstance(value, str):
        return "string_value", api_pb2.DATA_TYPE_STRING
    return "number_value", api_pb2.DATA_TYPE_FLOAT64
