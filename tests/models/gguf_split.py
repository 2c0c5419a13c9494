"""Cuts a GGUF file into parts, as llama.cpp's own tool does: tensors in turn, metadata in the first."""

import struct
from pathlib import Path

from tests.models.gguf_file import text

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


def split(whole: Path, folder: Path, stem: str, count: int) -> list[Path]:
    """Writes the parts, each with about as many tensors."""
    data = whole.read_bytes()
    cursor = _Cursor(data)
    cursor.at = 8
    num_tensors, num_keys = cursor.number("Q"), cursor.number("Q")
    begin = cursor.at
    for _ in range(num_keys):
        cursor.skip_text()
        cursor.skip_value(cursor.number("I"))
    metadata = data[begin : cursor.at]
    tensors = [_tensor(cursor) for _ in range(num_tensors)]
    blob = data[-(-cursor.at // ALIGNMENT) * ALIGNMENT :]
    ends = sorted({start for _, start in tensors} | {len(blob)})
    bodies = [(head, blob[start : ends[ends.index(start) + 1]]) for head, start in tensors]
    share = -(-num_tensors // count)
    paths = []
    for number in range(count):
        facts = metadata if number == 0 else b""
        num_facts = num_keys if number == 0 else 0
        path = folder / f"{stem}-{number + 1:05d}-of-{count:05d}.gguf"
        own = bodies[number * share : (number + 1) * share]
        path.write_bytes(_part(facts, num_facts, own, number, count, num_tensors))
        paths.append(path)
    return paths


def _tensor(cursor: _Cursor) -> tuple[bytes, int]:
    """What is written before its offset, and the offset."""
    begin = cursor.at
    cursor.skip_text()
    for _ in range(cursor.number("I")):
        cursor.number("Q")
    cursor.number("I")
    head = cursor.data[begin : cursor.at]
    return head, cursor.number("Q")


def _part(
    metadata: bytes, num_keys: int, tensors: list[tuple[bytes, bytes]], number: int, count: int, total: int
) -> bytes:
    metadata += text("split.no") + struct.pack("<IH", 2, number)
    metadata += text("split.count") + struct.pack("<IH", 2, count)
    metadata += text("split.tensors.count") + struct.pack("<Ii", 5, total)
    heads, blob = b"", b""
    for head, body in tensors:
        heads += head + struct.pack("<Q", len(blob))
        blob += body + bytes(-len(body) % ALIGNMENT)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), num_keys + 3) + metadata + heads
    return out + bytes(-len(out) % ALIGNMENT) + blob
