"""Reads the header of a GGUF file, and tells whether the file is whole.

It knows the container format (versions 2 and 3, little-endian), not what the keys mean. Memory stays
small whatever the file says: a count or a length that the file has no room for is refused before
anything is read. Format: ggml's docs/gguf.md.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from xapp.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_HEADER_BYTES = 1 << 27
MAX_TEXT_BYTES = 1 << 20
MAX_ARRAY_ITEMS = 4096
MAX_KEY_BYTES = 1 << 16
MAX_DIMS = 4
_ALIGNMENTS = tuple(1 << shift for shift in range(17))
MAX_KEYS = 1 << 16
MAX_TENSORS = 1 << 20

Value = str | int | float | bool | tuple[Any, ...] | None
"""One metadata value; None stands for a text or an array that is too long to keep."""

_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_TEXT, _ARRAY = 8, 9

# Tensor type: (values in a block, bytes of a block). A type not listed here is newer than this table:
# of its tensors only the start is checked.
_BLOCKS = {
    **{0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36)},
    **{10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292)},
    **{16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110)},
    **{22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8)},
    **{29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17)},
    **{40: (64, 36), 41: (128, 18), 42: (64, 18)},
}


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The metadata, and lengths in bytes: of the metadata, of the file, and of the file as its header
    demands.
    """

    file_size: int
    needed_bytes: int
    values: dict[str, Value]
    metadata_bytes: int


def read_gguf_header(path: Path) -> GgufHeader:
    """Checks the structure and reads the metadata. Raises ModelError with the file and the fault."""
    with _opened(path) as reader:
        return _read(reader)


def read_tensor_bytes(path: Path) -> dict[str, int]:
    """Each tensor's name and its size in bytes; 0 for a type newer than this module. Raises ModelError."""
    with _opened(path) as reader:
        num_tensors, num_keys = _counts(reader)
        for _ in range(num_keys):
            _key_value(reader)
        return {tensor.name: tensor.size for tensor in (_tensor(reader) for _ in range(num_tensors))}


@contextmanager
def _opened(path: Path) -> Iterator["_Reader"]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            yield _Reader(file, size, path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", reason="UNREADABLE_FILE") from error


class _Reader:
    """Reads little-endian fields of a file. It knows the rest of the file, and never reads past it."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        self._file = file
        self.path = path
        self.size = size
        self.position = 0

    def room(self, count: int) -> None:
        if count > self.size - self.position:
            text = f"{self.path} is truncated or corrupt: it has {self.size:,} bytes, its header says more"
            raise ModelError(text, reason="TRUNCATED_FILE")
        if self.position + count > MAX_HEADER_BYTES:
            raise self.corrupt(f"a header of more than {MAX_HEADER_BYTES:,} bytes")

    def take(self, count: int) -> bytes:
        self.room(count)
        data = self._file.read(count)
        if len(data) != count:
            raise ModelError(f"{self.path} changed while it was read")
        self.position += count
        return data

    def skip(self, count: int) -> None:
        self.room(count)
        self._file.seek(count, 1)
        self.position += count

    def number(self, code: str) -> Any:
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def corrupt(self, what: str) -> ModelError:
        return ModelError(f"{self.path} is corrupt: {what} at byte {self.position:,}")


def _read(reader: _Reader) -> GgufHeader:
    num_tensors, num_keys = _counts(reader)
    values = dict(_key_value(reader) for _ in range(num_keys))
    metadata_bytes = reader.position
    end = max((sum(_tensor(reader)[1:]) for _ in range(num_tensors)), default=0)
    needed = _data_start(reader, values) + end
    if needed > reader.size:
        text = f"{reader.path} is truncated: has {reader.size:,} of {needed:,} bytes"
        raise ModelError(text, reason="TRUNCATED_FILE")
    return GgufHeader(reader.size, needed, values, metadata_bytes)


def _counts(reader: _Reader) -> tuple[int, int]:
    """The numbers of tensors and keys, from the start of the file."""
    _check_magic(reader)
    num_tensors, num_keys = reader.number("Q"), reader.number("Q")
    if num_tensors > MAX_TENSORS or num_keys > MAX_KEYS:
        raise reader.corrupt(f"{num_tensors:,} tensors and {num_keys:,} keys")
    return num_tensors, num_keys


def _check_magic(reader: _Reader) -> None:
    if reader.size == 0:
        raise ModelError(f"{reader.path} is empty")
    start = reader.take(min(4, reader.size))
    if start != MAGIC:
        raise ModelError(f"{reader.path} is not a GGUF file (starts with {start!r})", reason="NOT_GGUF")
    version = reader.number("I")
    if version not in VERSIONS:
        hint = "big-endian" if version in (v << 24 for v in VERSIONS) else f"version {version}"
        raise ModelError(f"{reader.path}: GGUF of {hint} is not supported", reason="GGUF_VERSION")


def _key_value(reader: _Reader) -> tuple[str, Value]:
    length = reader.number("Q")
    if length > MAX_KEY_BYTES:
        raise reader.corrupt(f"a key of {length:,} bytes")
    key = reader.take(length).decode("utf-8", "replace")
    return key, _value(reader, reader.number("I"))


def _value(reader: _Reader, kind: int) -> Value:
    if kind in _SCALARS:
        return reader.number(_SCALARS[kind])  # type: ignore[no-any-return]
    if kind == _TEXT:
        return _text(reader)
    if kind == _ARRAY:
        return _array(reader)
    raise reader.corrupt(f"a value of unknown type {kind}")


def _text(reader: _Reader) -> str | None:
    length = reader.number("Q")
    if length > MAX_TEXT_BYTES:
        reader.skip(length)
        return None
    return reader.take(length).decode("utf-8", "replace")


def _array(reader: _Reader) -> Value:
    kind, count = reader.number("I"), reader.number("Q")
    if kind == _TEXT:
        reader.room(count * 8)
        _skip_texts(reader, count)
        return None
    if kind not in _SCALARS:
        raise reader.corrupt(f"an array of type {kind}")
    width = struct.calcsize("<" + _SCALARS[kind])
    reader.room(count * width)
    if count > MAX_ARRAY_ITEMS:
        reader.skip(count * width)
        return None
    return struct.unpack(f"<{count}{_SCALARS[kind]}", reader.take(count * width))


def _skip_texts(reader: _Reader, count: int) -> None:
    # A vocabulary has hundreds of thousands of texts: reading a short text is cheaper than seeking over it.
    for _ in range(count):
        length = reader.number("Q")
        (reader.take if length < MAX_KEY_BYTES else reader.skip)(length)


class _Tensor(NamedTuple):
    """`start` is counted from the start of the data. `size` is in bytes."""

    name: str
    start: int
    size: int


def _tensor(reader: _Reader) -> _Tensor:
    length = reader.number("Q")
    if length > MAX_KEY_BYTES:
        raise reader.corrupt(f"a tensor's name of {length:,} bytes")
    name = reader.take(length).decode("utf-8", "replace")
    dims = reader.number("I")
    if dims > MAX_DIMS:
        raise reader.corrupt(f"a tensor of {dims:,} dimensions")
    count = 1
    for _ in range(dims):
        count *= reader.number("Q")
    block, width = _BLOCKS.get(reader.number("I"), (1, 0))
    return _Tensor(name, reader.number("Q"), (count + block - 1) // block * width)


def _data_start(reader: _Reader, values: dict[str, Value]) -> int:
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment not in _ALIGNMENTS:
        raise reader.corrupt(f"an alignment of {alignment!r}")
    return -(-reader.position // alignment) * alignment
