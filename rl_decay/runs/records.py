"""The records of TensorBoard's event files (TFRecord): a length, the data, and the masked CRC-32C of either.

TensorBoard's own writer and reader import its stand-in for TensorFlow, and with it fsspec and asyncio, or TensorFlow
itself if that is installed.
"""

from __future__ import annotations

import struct

import numpy as np

HEAD = struct.Struct("<QI")  # before the data: its length, and the checksum of the 8 bytes of the length
TAIL = struct.Struct("<I")  # after the data: its checksum
LENGTH = struct.Struct("<Q")
POLYNOMIAL = np.uint32(0x82F63B78)  # CRC-32C (Castagnoli), reflected
MASK = 0xA282EAD8  # the format stores rotated and shifted checksums ("masked")


def _table() -> np.ndarray:
    """The CRC-32C of each byte value, uint32 [256]."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & np.uint32(1), (table >> np.uint32(1)) ^ POLYNOMIAL, table >> np.uint32(1))
    return table.astype(np.uint32)


TABLE = _table()
_NUMBERS = TABLE.tolist()  # Python's own numbers: of a single record each byte takes 0.1 microseconds, in NumPy 5


def framed(data: bytes) -> bytes:
    """One record with its length and both checksums."""
    length = LENGTH.pack(len(data))
    return HEAD.pack(len(data), _masked_crc32c(length)) + data + TAIL.pack(_masked_crc32c(data))


def _masked_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _NUMBERS[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + MASK) & 0xFFFFFFFF


def masked_crc32c(parts: list[bytes]) -> np.ndarray:
    """The masked CRC-32C of each part, uint32 [n]: step i takes byte i of every part that has one.

    Source: the table-driven CRC (Sarwate, 1988), with the mask of TFRecord files.
    """
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    joined = np.frombuffer(b"".join(parts), dtype=np.uint8)
    # With the longest part first, the parts that still have a byte at step i are always the first `count`.
    order = np.argsort(-lengths, kind="stable")
    longest_first = lengths[order]
    starts = (np.cumsum(lengths) - lengths)[order]
    crc = np.full(len(parts), 0xFFFFFFFF, dtype=np.uint32)
    for i in range(int(lengths.max(initial=0))):
        count = int(np.searchsorted(-longest_first, -i, side="left"))
        low_byte = (crc[:count] ^ joined[starts[:count] + i]) & np.uint32(0xFF)
        crc[:count] = TABLE[low_byte] ^ (crc[:count] >> np.uint32(8))
    crc = ~crc
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(MASK)
    in_given_order = np.empty_like(masked)
    in_given_order[order] = masked
    return in_given_order
