"""The metadata of a GGUF file as a file of its own, with other types for some of its tokens.

llama.cpp loads a vocabulary from it. Tensors are left out, so weights are never read.
"""

import os
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from xapp.errors import ModelError
from xapp.models import gguf

TYPES = "tokenizer.ggml.token_type"
CONTROL = 3
"""llama.cpp's number for a token that only a template, or a raw prompt, may write."""
_NUM_TENSORS_AT = 8
_INT32 = (4, 5)


@contextmanager
def with_controls(path: Path, tokens: Collection[int]) -> Iterator[Path | None]:
    """A file, for the block, in which `tokens` are control tokens; None where `path` states no types.

    Raises ModelError naming the file.
    """
    header, types_at, count = _read(path)
    if types_at is None:
        yield None
        return
    for token in tokens:
        if token < count:
            struct.pack_into("<i", header, types_at + 4 * token, CONTROL)
    fd = os.memfd_create("vocabulary", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(header)
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _read(path: Path) -> tuple[bytearray, int | None, int]:
    """The metadata, where in it the types of the tokens are, and how many."""
    types_at, count, split_at = None, 0, None
    with gguf.opened(path) as reader:
        _, num_keys = gguf.read_counts(reader)
        for _ in range(num_keys):
            key, place = gguf.read_place(reader)
            if key == TYPES and place.kind in _INT32:
                types_at, count = place.start, place.count
            elif key == "split.count":
                split_at = place
        end = reader.position
    with path.open("rb") as file:
        header = bytearray(file.read(end))
    if len(header) != end:
        raise ModelError(f"{path} changed while it was read")
    struct.pack_into("<Q", header, _NUM_TENSORS_AT, 0)
    if split_at is not None:
        # Else llama.cpp looks for the other parts.
        header[split_at.start : split_at.end] = bytes(split_at.end - split_at.start)
    return header, types_at, count
