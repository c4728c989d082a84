"""Reading TensorBoard's event files: records, checked by their checksums, and the messages in them.

TensorBoard's own reader imports TensorFlow if that is installed, and else computes the checksums in a Python loop over
bytes. Here the checksums of all records are computed side by side in NumPy.
"""

# pyright: reportAttributeAccessIssue=false
# (protobuf makes its classes when its modules are imported, where a type checker cannot see them)

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event

from rl_decay.errors import UserError, one_line
from rl_decay.runs.files import read
from rl_decay.runs.records import HEAD, LENGTH, TAIL, masked_crc32c

LARGE = 1 << 16  # bytes; longer records are images, which nobody reads here: skipped, their checksums take seconds


@dataclass
class Events:
    """What the event files of one run hold: {tag: (steps, values)} in the order written, {tag: text}."""

    scalars: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def points(self, tag: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps [n] and values [n] of a scalar in order of the steps; empty for an unknown tag."""
        unsorted = np.array(self.scalars.get(tag, ([], [])), dtype=np.float64)
        order = np.argsort(unsorted[0], kind="stable")  # stable: points of one step stay in the order of the file
        return unsorted[0, order], unsorted[1, order]


def read_events(paths: list[Path]) -> Events:
    """Read event files, in this order, as one run. Errors: UserError, which names the file, for a damaged one."""
    events = Events()
    for path in paths:
        try:
            for record in records(path):
                _add(events, Event.FromString(record))
        except (DecodeError, ValueError, TypeError) as error:
            raise UserError(f"{path}: damaged ({one_line(error)})") from None
    return events


def records(path: Path) -> list[bytes]:
    """The records of a file that are not LARGE. Errors: ValueError if a record is cut off or fails its checksum."""
    data = read(path)
    contents: list[bytes] = []
    parts: list[bytes] = []  # of the file, each with a checksum of its own
    checksums: list[int] = []
    position = 0
    while position < len(data):
        start = position + HEAD.size
        if start > len(data):
            raise ValueError(f"cut off or overwritten at byte {position}")
        length, length_checksum = HEAD.unpack_from(data, position)
        end = start + length
        if end + TAIL.size > len(data):  # an overwritten length can be any number, so it is compared before its use
            raise ValueError(f"cut off or overwritten at byte {position}")
        parts.append(data[position : position + LENGTH.size])
        checksums.append(length_checksum)
        if length < LARGE:
            content = data[start:end]
            contents.append(content)
            parts.append(content)
            checksums.append(TAIL.unpack_from(data, end)[0])
        position = end + TAIL.size
    failures = int(np.count_nonzero(masked_crc32c(parts) != np.array(checksums, dtype=np.uint32)))
    if failures:
        raise ValueError(f"{failures} checksums fail")
    return contents


def _add(events: Events, event: Any) -> None:
    """Add the numbers and texts of one event. PyTorch writes simple values, TensorFlow 2 tensors."""
    for value in event.summary.value:
        if value.WhichOneof("value") == "simple_value":
            number = value.simple_value
        elif value.metadata.plugin_data.plugin_name == "text":
            events.texts[value.tag] = b"\n".join(value.tensor.string_val).decode()
            continue
        elif value.metadata.plugin_data.plugin_name == "scalars":
            from tensorboard.util.tensor_util import make_ndarray  # see runs/records.py

            number = float(make_ndarray(value.tensor))
        else:
            continue
        steps, values = events.scalars.setdefault(value.tag, ([], []))
        steps.append(event.step)
        values.append(number)
