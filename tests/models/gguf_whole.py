"""Reads the whole of a GGUF file as bytes that can be written again: keys, tensors and their data."""

import struct
from dataclasses import dataclass
from pathlib import Path

ALIGNMENT = 32
_WIDTHS = (1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8)
_TEXT, _ARRAY = 8, 9


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return int(value)

    def skip_text(self) -> None:
        length = self.number("Q")
        self.at += length

    def skip_value(self, kind: int) -> None:
        if kind == _TEXT:
            self.skip_text()
        elif kind == _ARRAY:
            item, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(item)
        else:
            self.at += _WIDTHS[kind]


@dataclass(frozen=True, slots=True)
class Tensor:
    """`head` is the bytes of its description without the offset."""

    name: str
    head: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class WholeFile:
    """`metadata` is the bytes of all keys."""

    num_keys: int
    metadata: bytes
    tensors: list[Tensor]


def read_whole(path: Path) -> WholeFile:
    """A file of version 3."""
    data = path.read_bytes()
    cursor = _Cursor(data)
    cursor.at = 8
    num_tensors, num_keys = cursor.number("Q"), cursor.number("Q")
    begin = cursor.at
    for _ in range(num_keys):
        cursor.skip_text()
        cursor.skip_value(cursor.number("I"))
    metadata = data[begin : cursor.at]
    heads = [_head(cursor) for _ in range(num_tensors)]
    blob = data[-(-cursor.at // ALIGNMENT) * ALIGNMENT :]
    ends = sorted({start for _, _, start in heads} | {len(blob)})
    tensors = [Tensor(name, head, blob[start : ends[ends.index(start) + 1]]) for name, head, start in heads]
    return WholeFile(num_keys, metadata, tensors)


def _head(cursor: _Cursor) -> tuple[str, bytes, int]:
    """The name, the bytes before the offset, and the offset."""
    begin = cursor.at
    length = cursor.number("Q")
    name = cursor.data[cursor.at : cursor.at + length].decode()
    cursor.at += length
    for _ in range(cursor.number("I")):
        cursor.number("Q")
    cursor.number("I")
    head = cursor.data[begin : cursor.at]
    return name, head, cursor.number("Q")


def file_bytes(num_keys: int, metadata: bytes, tensors: list[Tensor]) -> bytes:
    """A file of version 3."""
    heads, blob = b"", bytearray()
    for tensor in tensors:
        heads += tensor.head + struct.pack("<Q", len(blob))
        blob += tensor.body + bytes(-len(tensor.body) % ALIGNMENT)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), num_keys) + metadata + heads
    return out + bytes(-len(out) % ALIGNMENT) + blob
