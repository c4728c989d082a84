"""Writing TensorBoard event files with TensorBoard's own messages and record format; no torch, no TensorFlow."""

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
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.text import metadata as text_metadata

from rl_decay.errors import escaped
from rl_decay.runs.durable import GrowingFile
from rl_decay.runs.layout import DIVERGED, EVENTS, FAILED, FINISHED, INTERRUPTED
from rl_decay.runs.records import framed

SESSION_STATUS = {
    FINISHED: api_pb2.STATUS_SUCCESS,
    INTERRUPTED: api_pb2.STATUS_UNKNOWN,
    DIVERGED: api_pb2.STATUS_FAILURE,
    FAILED: api_pb2.STATUS_FAILURE,
}

# Of tensorboard.plugins.hparams.metadata, which cannot be imported without all that runs/records.py avoids.
HPARAMS_VERSION = 0
EMPTY_TENSOR = TensorProto(dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)]))
EXACT_IN_FLOAT64 = 2**53  # a float64 would round larger whole numbers, for example random seeds
_serial = itertools.count()  # tells apart two files that one process opens in the same second


class EventFile:
    """One TensorBoard event file of a run: events wait in memory, and no file is open, until `flush`.

    The name carries `start_time` (seconds since the epoch; now if None). TensorBoard reads the files of a folder in
    the order of their names and never returns to an earlier one: a resumed run cuts the old files, opens a new file
    whose name sorts behind them, and calls `restart`.
    """

    def __init__(self, folder: str | Path, start_time: float | None = None):
        start_time = time.time() if start_time is None else start_time
        # The time comes first and has a fixed width, so that names sort by time.
        name = f"{EVENTS}{int(start_time):010d}.{socket.gethostname()}.{os.getpid()}.{next(_serial)}"
        self.path = Path(folder) / name
        self._waiting = io.BytesIO()
        self._file = GrowingFile(self.path)
        self._write(start_time, file_version="brain.Event:2")

    def scalars(self, step: SupportsIndex, values: Mapping[str, Any], wall_time: float | None = None) -> None:
        """Add {tag: number} at a step, as one event (TensorBoard keeps float32); None and NaN are left out."""
        points = []
        for tag, value in values.items():
            if value is not None and not math.isnan(number := float(value)):
                points.append(Summary.Value(tag=tag, simple_value=number))
        if points:
            self._write(wall_time, step=operator.index(step), summary=Summary(value=points))

    def image(self, tag: str, step: SupportsIndex, png: bytes) -> None:
        """Add a picture, the bytes of a PNG file, at a step."""
        # A PNG file begins with its signature and the header chunk, whose first fields these are.
        width, height = struct.unpack(">II", png[16:24])
        picture = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=png)
        self._write(None, step=operator.index(step), summary=Summary(value=[Summary.Value(tag=tag, image=picture)]))

    def add_chart_layout(self, categories: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        """Group scalars into shared charts: {category: {chart: tags}}, shown on TensorBoard's custom-scalars page."""
        layout = layout_pb2.Layout()
        for category, charts in categories.items():
            chart_messages = [_chart(title, tags) for title, tags in charts.items()]
            layout.category.append(layout_pb2.Category(title=category, chart=chart_messages))
        tensor = _text_tensor(layout.SerializeToString())
        self._describe(layout_metadata.CONFIG_SUMMARY_TAG, layout_metadata.create_summary_metadata(), tensor)

    def text(self, tag: str, step: SupportsIndex, markdown: str) -> None:
        """Add a note at a step, shown on TensorBoard's text page."""
        tensor = _text_tensor(markdown.encode())
        value = Summary.Value(tag=tag, metadata=text_metadata.create_summary_metadata(tag, ""), tensor=tensor)
        self._write(None, step=operator.index(step), summary=Summary(value=[value]))

    def hparams(self, values: Mapping[str, Any], metrics: Iterable[str], first: Sequence[str] = ()) -> None:
        """Make this run a row of TensorBoard's HParams table: columns are `values`, then the scalar tags `metrics`.

        Columns and their types are taken from one run of the folder, so give all runs the same keys. Five columns are
        shown by default: those in `first`, then by name. Numbers, booleans and strings keep their type, None leaves
        the cell empty (a column of numbers and strings cannot be sorted). Other values are shown as text, and so are
        whole numbers that a float64 would round.
        """
        cells = {key: _cell(value) for key, value in values.items()}
        now = time.time()
        experiment = api_pb2.Experiment(time_created_secs=now)
        session = SessionStartInfo(start_time_secs=now)
        for key, cell in cells.items():
            field, column_type = _kind(cell)
            experiment.hparam_infos.append(api_pb2.HParamInfo(name=key, type=column_type, differs=key in first))
            if cell is not None:
                setattr(session.hparams[key], field, cell)
        for tag in metrics:
            experiment.metric_infos.append(api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)))
        self._describe_session("_hparams_/experiment", experiment=experiment)
        self._describe_session("_hparams_/session_start_info", session_start_info=session)

    def session_end(self, status: str) -> None:
        """Close the run's HParams row with how it ended (KeyError for `running`).

        TensorBoard takes the first end in the files: write it after the last checkpoint, so that a resumed run, which
        cuts the file back to that checkpoint, removes it.
        """
        end = SessionEndInfo(status=SESSION_STATUS[status], end_time_secs=time.time())
        self._describe_session("_hparams_/session_end_info", session_end_info=end)

    def restart(self, step: SupportsIndex) -> None:
        """Make a running TensorBoard forget points at `step` or later, which have been cut off the older files."""
        self._write(None, step=operator.index(step), session_log=SessionLog(status=SessionLog.START))

    def flush(self, force: bool = True) -> int:
        """Write the waiting events and return the file's length in bytes; `force`: force them to the disk.

        If that fails (OSError), the file is as it was, the events keep waiting, and flush may be called again.
        FileChangedError where the file has not the length that the last flush left.
        """
        # The buffer is emptied only after the write, so that a failed flush can be repeated.
        length = self._file.append(self._waiting.getvalue(), force)
        self._waiting = io.BytesIO()
        return length

    def _write(self, wall_time: float | None, **content: Any) -> None:
        event = Event(wall_time=time.time() if wall_time is None else wall_time, **content)
        self._waiting.write(framed(event.SerializeToString()))

    def _describe(self, tag: str, metadata: Any, tensor: Any) -> None:
        """Add an event for a plugin of TensorBoard: charts, HParams; it belongs to no step."""
        self._write(None, summary=Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)]))

    def _describe_session(self, tag: str, **content: Any) -> None:
        data = HParamsPluginData(version=HPARAMS_VERSION, **content).SerializeToString()
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="hparams", content=data))
        self._describe(tag, metadata, EMPTY_TENSOR)


def _text_tensor(content: bytes) -> Any:
    """One text as a tensor without dimensions."""
    return TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[content])


def _chart(title: str, tags: Sequence[str]) -> Any:
    """One chart with a line per tag. TensorBoard matches regular expressions at the beginning only, hence the $."""
    patterns = [re.escape(tag) + "$" for tag in tags]
    return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=patterns))


def _cell(value: Any) -> bool | float | str | None:
    """A value as a cell of the HParams table."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) and abs(value) > EXACT_IN_FLOAT64:
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return escaped(value)  # protobuf refuses text with bytes that are no UTF-8, as file names may hold


def _kind(value: bool | float | str | None) -> tuple[str, Any]:
    """The field of a protobuf Value for this cell, and the type of its column."""
    if value is None:
        return "null_value", api_pb2.DATA_TYPE_UNSET
    if isinstance(value, bool):  # before the numbers, because a bool is an int
        return "bool_value", api_pb2.DATA_TYPE_BOOL
    if isinstance(value, str):
        return "string_value", api_pb2.DATA_TYPE_STRING
    return "number_value", api_pb2.DATA_TYPE_FLOAT64
