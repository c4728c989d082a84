"""Reading TensorBoard's event files: records, checked by their checksums, and the messages in them; nothing heavy.

TensorBoard's own reader takes TensorFlow where it is installed, and checks one byte at a time in Python where not.
"""

# pyright: reportAttributeAccessIssue=false
# (protobuf makes its classes when its modules are imported, where a type checker cannot see them)

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

from rl_decay.errors import UserError, one_line
from rl_decay.runs.files import read

HEAD, TAIL = struct.Struct("<QI"), struct.Struct("<I")  # length and its checksum; the data's checksum
LENGTH = 8  # bytes of the length
POLYNOMIAL = np.uint32(0x82F63B78)  # CRC-32C (Castagnoli), reflected
MASK = np.uint32(0xA282EAD8)
LARGE = 1 << 16  # bytes; longer records are images and the like, never read here, whose checksum would take seconds


@dataclass
class Events:
    """What the event files of one run hold: {tag: (steps, values)} in the order written, {tag: text}."""

    scalars: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    def curve(self, tag: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps [n] and values [n] of a scalar in order of the steps; empty where there is none."""
        steps, values = (np.array(column, dtype=np.float64) for column in self.scalars.get(tag, ((), ())))
        order = np.argsort(steps, kind="stable")
        return steps[order], values[order]


def read_events(paths: list[Path]) -> Events:
    """Read event files, in this order, as one run. Errors: UserError, which names the file, for a damaged one."""
    events = Events()
    for path in paths:
        try:
            for record in records(path):
                _take(events, Event.FromString(record))
        except (DecodeError, ValueError, TypeError) as error:
            raise UserError(f"{path}: damaged ({one_line(error)})") from None
    return events


def records(path: Path) -> list[bytes]:
    """The records of a file that are not LARGE. Errors: ValueError for one that is cut off or fails its checksum."""
    data, at = read(path), 0
    found, parts, sums = [], [], []
    while at < len(data):
        start = at + HEAD.size
        length, of_length = HEAD.unpack_from(data, at) if start <= len(data) else (len(data), 0)
        end = start + length
        if end + TAIL.size > len(data):
            raise ValueError(f"cut off or overwritten at byte {at}")
        parts.append(data[at : at + LENGTH])
        sums.append(of_length)
        if length < LARGE:
            found.append(data[start:end])
            parts.append(found[-1])
            sums.append(TAIL.unpack_from(data, end)[0])
        at = end + TAIL.size
    wrong = int(np.count_nonzero(masked_crc32c(parts) != np.array(sums, dtype=np.uint32)))
    if wrong:
        raise ValueError(f"{wrong} checksums fail")
    return found


def masked_crc32c(parts: list[bytes]) -> np.ndarray:
    """The masked CRC-32C of each part, uint32 [n]: all parts go through the table side by side, a byte at a time."""
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    ends = np.cumsum(lengths)
    joined = np.frombuffer(b"".join(parts), dtype=np.uint8)
    starts, crc = (ends - lengths)[order], np.full(len(parts), 0xFFFFFFFF, dtype=np.uint32)
    longest_first = lengths[order]
    for i in range(int(lengths.max(initial=0))):
        left = int(np.searchsorted(-longest_first, -i, side="left"))  # parts longer than i
        low = (crc[:left] ^ joined[starts[:left] + i]) & np.uint32(0xFF)
        crc[:left] = _TABLE[low] ^ (crc[:left] >> np.uint32(8))
    crc = ~crc
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + MASK
    result = np.empty_like(masked)
    result[order] = masked
    return result


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & np.uint32(1), (table >> np.uint32(1)) ^ POLYNOMIAL, table >> np.uint32(1))
    return table.astype(np.uint32)


_TABLE = _table()


def _take(events: Events, event: Any) -> None:
    for value in event.summary.value:
        if value.WhichOneof("value") == "simple_value":
            number = value.simple_value
        elif value.metadata.plugin_data.plugin_name == "text":
            events.texts[value.tag] = b"\n".join(value.tensor.string_val).decode()
            continue
        elif value.metadata.plugin_data.plugin_name == "scalars":
            number = float(make_ndarray(value.tensor))
        else:
            continue
        steps, values = events.scalars.setdefault(value.tag, ([], []))
        steps.append(event.step)
        values.append(number)
